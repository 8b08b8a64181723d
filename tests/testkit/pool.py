"""Small packages with real libraries and programs, made to be put together at random: each is built once, by real emerge.

A system is not installed but unpacked (:func:`system`), as if each package in it had been merged long ago: that takes a moment.
What is compiled only copies objects that lie in the repository, so that merging is all that takes time.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.testkit import environments
from tests.testkit.chain import _enter, bashrc, hooks
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.environments import CACHE, CHECKOUT
from tests.testkit.roots import Root

Uses = Sequence[tuple[str, str]]
"""Sonames, and the version of the function that is called; none of a library without versions."""
OWNERLESS = "libown.so.1"
"""An older copy of what dev-libs/own has, which no package owns."""
WRAPPED = "/usr/libexec/wrapped"
"""Programs that only find their libraries by LD_LIBRARY_PATH, below /opt/NAME without the p."""


@dataclass(frozen=True, slots=True)
class Lib:
    path: str
    nodes: Sequence[str] = ()
    soname: str = ""

    @property
    def name(self) -> str:
        return self.soname or self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Prog:
    path: str
    uses: Uses
    runpath: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Package:
    items: Sequence[Lib | Prog | Text]
    variables: dict[str, str] = field(default_factory=dict)
    body: str = ""


def _library(name: str, soname: str, *nodes: str, where: str = "/usr/lib64") -> Lib:
    return Lib(f"{where}/{soname}", tuple(f"{name}_{node}" for node in nodes))


def _program(name: str, soname: str, node: str = "", *, runpath: str = "", where: str = "/usr/bin") -> Prog:
    return Prog(f"{where}/{name}", ((soname, node),), runpath)


def _ldpath(where: str) -> Text:
    return Text("/etc/env.d/50ld", f'LDPATH="{where}"\n')


STUMBLES = '[[ ! -e "${EROOT}"/etc/fail-stumble ]] || die "as asked"'
TRIES = 'if [[ -x ${ROOT}/usr/bin/pver ]]; then ENTER "${ROOT}" /usr/bin/pver || die "its tool does not run"; fi'
PACKAGES: dict[str, Package] = {
    # A library that gains a version; nothing declares that pver-2 needs the newer one.
    "dev-libs/ver-1": Package([_library("V", "libver.so.1", "1")]),
    "dev-libs/ver-2": Package([_library("V", "libver.so.1", "1", "2")]),
    "app-misc/pver-1": Package([_program("pver", "libver.so.1", "V_1")], {"RDEPEND": "dev-libs/ver"}),
    "app-misc/pver-2": Package([_program("pver", "libver.so.1", "V_2")]),
    # One that changes its soname, and has no versions.
    "dev-libs/bump-1": Package([_library("B", "libbump.so.1")], {"SLOT": "0/1"}),
    "dev-libs/bump-2": Package([_library("B", "libbump.so.2")], {"SLOT": "0/2"}),
    "app-misc/pbump-1": Package([_program("pbump", "libbump.so.1")], {"RDEPEND": "dev-libs/bump"}),
    "app-misc/pbump-2": Package([_program("pbump", "libbump.so.2")], {"RDEPEND": "dev-libs/bump"}),
    # In a directory of its own, found by RUNPATH from elsewhere; then gone, then in another.
    "dev-libs/priv-1": Package([_library("P", "libpriv.so", "1", where="/usr/lib64/priv")]),
    "dev-libs/priv-2": Package([_library("P", "libpriv.so", "1", "2", where="/usr/lib64/priv")]),
    "dev-libs/priv-3": Package([Text("/usr/share/priv/without", "")]),
    "dev-libs/priv-4": Package([_library("P", "libpriv.so", "1", "2", where="/opt/priv/lib")]),
    "app-misc/ppriv-1": Package(
        [_program("ppriv", "libpriv.so", "P_1", runpath="/usr/lib64/priv")], {"RDEPEND": "dev-libs/priv"}
    ),
    "app-misc/ppriv-2": Package([_program("ppriv", "libpriv.so", "P_2", runpath="$ORIGIN/../lib64/priv:/opt/priv/lib")]),
    # In one that nothing but a script leads to.
    "dev-libs/wrap-1": Package([_library("W", "libwrap.so", "1", where="/opt/wrap")]),
    "dev-libs/wrap-2": Package([_library("W", "libwrap.so", "1", "2", where="/opt/wrap")]),
    "app-misc/pwrap-1": Package([_program("pwrap", "libwrap.so", "W_1", where=WRAPPED)], {"RDEPEND": "dev-libs/wrap"}),
    "app-misc/pwrap-2": Package([_program("pwrap", "libwrap.so", "W_2", where=WRAPPED)], {"RDEPEND": ">=dev-libs/wrap-2"}),
    # A package of which a part is split off.
    "dev-libs/whole-1": Package([_library("S", "libpart.so.1", "1"), _library("T", "libwhole.so.1", "1")]),
    "dev-libs/whole-2": Package([_library("T", "libwhole.so.1", "1")]),
    "dev-libs/part-1": Package([_library("S", "libpart.so.1", "1", "2")], {"RDEPEND": "!<dev-libs/whole-2"}),
    "app-misc/ppart-1": Package(
        [_program("ppart", "libpart.so.1", "S_1")], {"RDEPEND": "|| ( dev-libs/part <dev-libs/whole-2 )"}
    ),
    "app-misc/ppart-2": Package([_program("ppart", "libpart.so.1", "S_2")]),
    # Two packages of which one takes in the other.
    "dev-libs/one-1": Package([_library("O", "libone.so.1", "1")]),
    "dev-libs/two-1": Package([_library("T", "libtwo.so.1", "1")]),
    "dev-libs/two-2": Package(
        [_library("T", "libtwo.so.1", "1"), _library("O", "libone.so.1", "1")], {"RDEPEND": "!dev-libs/one"}
    ),
    "app-misc/pone-1": Package([_program("pone", "libone.so.1", "O_1")]),
    # A library of which an older copy lies there and is nobody's.
    "dev-libs/own-2": Package([_library("N", OWNERLESS, "1", "2")]),
    "app-misc/pown-1": Package([_program("pown", OWNERLESS, "N_2")]),
    # One in a directory that its env.d names.
    "dev-libs/ld-1": Package([_library("L", "libld.so.1", "1", where="/usr/lib64/ld1"), _ldpath("/usr/lib64/ld1")]),
    "dev-libs/ld-2": Package([_library("L", "libld.so.1", "1", "2", where="/usr/lib64/ld2"), _ldpath("/usr/lib64/ld2")]),
    "app-misc/pld-1": Package([_program("pld", "libld.so.1", "L_1")], {"RDEPEND": "dev-libs/ld"}),
    "app-misc/pld-2": Package([_program("pld", "libld.so.1", "L_2")]),
    # One that moves to another package.
    "dev-libs/old-1": Package([_library("M", "libmove.so.1", "1")]),
    "dev-libs/old-2": Package([Text("/usr/share/old/without", "")]),
    "dev-libs/new-1": Package([_library("M", "libmove.so.1", "1", "2")], {"RDEPEND": "!<dev-libs/old-2"}),
    "app-misc/pmove-1": Package([_program("pmove", "libmove.so.1", "M_1")]),
    "app-misc/pmove-2": Package([_program("pmove", "libmove.so.1", "M_2")]),
    # What is built with a program of the system, and with one of the running system; what fails when asked to.
    "dev-libs/made-1": Package(
        [Text("/usr/share/made/text", "")],
        {"DEPEND": "app-misc/pver", "BDEPEND": "dev-libs/text"},
        f"src_compile() {{ {TRIES}; }}\n",
    ),
    "dev-libs/text-1": Package([Text("/usr/share/text/text", "")]),
    "app-misc/stumble-1": Package([Text("/usr/share/stumble/text", "")], {}, f"pkg_setup() {{ {STUMBLES}; }}\n"),
}


def _function(soname: str, node: str) -> str:
    return "f_" + "".join(c if c.isalnum() else "_" for c in f"{soname}_{node}")


def _gcc(output: Path, source: str, *flags: str) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    command = ["gcc", "-x", "c", "-", "-x", "none", "-o", str(output), *flags]
    subprocess.run(command, input=source, text=True, check=True, capture_output=True)


def _make_library(output: Path, soname: str, nodes: Sequence[str]) -> None:
    """A library with one function for each version, or with one that has none."""
    source = "".join(f"int {_function(soname, node)}(void) {{ return 0; }}\n" for node in nodes or [""])
    script = output.parent / f".{output.name}.map"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("".join(f"{node} {{ global: {_function(soname, node)}; }};\n" for node in nodes))
    link = [f"-Wl,--version-script={script}"] if nodes else []
    _gcc(output, source, "-shared", "-fPIC", "-nostdlib", f"-Wl,-soname,{soname}", *link)
    script.unlink()


def _make_program(output: Path, item: Prog, stubs: Path) -> None:
    for soname, node in item.uses:
        _make_library(stubs / soname, soname, [node] if node else [])
    called = " + ".join(f"{_function(*use)}()" for use in item.uses)
    source = "".join(f"int {_function(*use)}(void);\n" for use in item.uses) + f"int main(void) {{ return {called}; }}\n"
    places = [f"-Wl,-rpath,{item.runpath}"] if item.runpath else []
    _gcc(output, source, f"-L{stubs}", "-Wl,--no-as-needed", *(f"-l:{soname}" for soname, _ in item.uses), *places)


def repository(location: Path, stubs: Path) -> EbuildRepository:
    """All packages, with their objects in the files of each."""
    made = EbuildRepository.create(location, "pool")
    for cpv, package in PACKAGES.items():
        category, pf = cpv.split("/")
        pn, version = pf.rsplit("-", 1)
        files = location / category / pn / "files" / version
        for item in package.items:
            output = Path(f"{files}{item.path}")
            if isinstance(item, Lib):
                _make_library(output, item.name, item.nodes)
            elif isinstance(item, Prog):
                _make_program(output, item, stubs)
            else:
                output.parent.mkdir(parents=True, exist_ok=True)
                output.write_text(item.text)
        body = package.body.replace("ENTER", " ".join(_enter()))
        install = 'src_install() { cp -a "${FILESDIR}"/${PV}/. "${ED}"/ || die; }\n'
        made.ebuild(cpv, body + install, **package.variables)
    return made


@dataclass(frozen=True, slots=True)
class Pool:
    """What was built: ``pkgdir`` has every package, ``sparse`` none of those that come in one version only."""

    directory: Path

    @property
    def pkgdir(self) -> Path:
        return self.directory / "binpkgs"

    @property
    def sparse(self) -> Path:
        return self.directory / "sparse"

    @property
    def repository(self) -> EbuildRepository:
        return EbuildRepository(self.directory / "repo", "pool")

    def package(self, cpv: str) -> Path:
        category, pf = cpv.split("/")
        (found,) = self.pkgdir.glob(f"{category}/*/{pf}-1.gpkg.tar")
        return found


SPARSE = ("dev-libs/own", "dev-libs/new", "dev-libs/part")
"""Of these nothing is known in ``sparse``: nobody has built them yet."""


def built() -> Pool:
    """The pool, built when something that goes into it has changed."""
    here = Path(__file__).parent
    files = [here / name for name in ("pool.py", "ebuilds.py", "roots.py")]
    for part in ("elf", "model", "hooks"):
        files += sorted((CHECKOUT / "portage_ext" / part).glob("*.py"))
    files += sorted((CHECKOUT / "bashrc.d").iterdir())
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    pool = Pool(CACHE / f"pool-{environments.NEWEST}-{digest}")
    with environments.locked("pool"):
        if not pool.directory.is_dir():
            for old in CACHE.glob("pool-*/"):
                shutil.rmtree(old)
            _build(pool)
    return pool


def _build(pool: Pool) -> None:
    partial = pool.directory.with_name("pool.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        work = Path(name)
        work.chmod(0o755)
        repo = repository(work / "repo", work / "stubs")
        features = "buildpkg binpkg-multi-instance nostrip -ebuild-locks"
        maker = Root.create(work / "r", environments.environment(), [repo], layout="root", features=features)
        hooks(maker)
        for version in sorted({cpv.rsplit("-", 1)[1] for cpv in PACKAGES}):
            wave = [f"={cpv}" for cpv in PACKAGES if cpv.endswith(f"-{version}")]
            maker.emerge("-1", "--quiet", "--nodeps", "--buildpkgonly", "--jobs", "8", *wave).ok()
        for target, without in ((partial / "binpkgs", ()), (partial / "sparse", SPARSE)):
            leave = shutil.ignore_patterns("*.portage_lockfile", "*.lock", "Packages*")
            shutil.copytree(maker.pkgdir, target, ignore=leave)
            for cp in without:
                shutil.rmtree(target / cp)
            maker.run("portage-ext", "reindex", "--pkgdir", str(target)).ok()
        shutil.copytree(repo.location, partial / "repo")
    partial.rename(pool.directory)


def _contents(package: Path) -> Iterator[tuple[str, tarfile.TarInfo, bytes]]:
    """The members of metadata and image of a gpkg, by name."""
    # What sets up the tests runs in a Python that does not have it.
    import zstandard

    with tarfile.open(package) as outer:
        for member in outer:
            if member.name.endswith(".tar.zst"):
                data = outer.extractfile(member)
                assert data is not None
                with zstandard.ZstdDecompressor().stream_reader(data) as stream:
                    inner = tarfile.open(fileobj=io.BytesIO(stream.read()))  # noqa: SIM115 - in memory
                for one in inner:
                    file = inner.extractfile(one) if one.isreg() else None
                    yield one.name, one, file.read() if file is not None else b""


def unpack(root: Root, package: Path, cpv: str) -> None:
    """Put ``package`` into ``root`` as emerge would have left it."""
    entry = root.path / "var/db/pkg" / cpv
    entry.mkdir(parents=True)
    lines = []
    for name, member, data in _contents(package):
        part, _, rest = name.partition("/")
        if part == "metadata" and rest:
            (entry / rest).write_bytes(data)
        elif part == "image" and rest:
            path = root.path / rest
            if member.isdir():
                path.mkdir(exist_ok=True)
                lines.append(f"dir /{rest}")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                path.chmod(member.mode)
                digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
                lines.append(f"obj /{rest} {digest} {int(path.stat().st_mtime)}")
    (entry / "CONTENTS").write_text("".join(f"{line}\n" for line in lines))
    (entry / "COUNTER").write_text(f"{len(list(root.path.glob('var/db/pkg/*/*')))}\n")


WATCH = r"""
# Before anything is merged, and after everything: which programs of the system do not start? There is no /proc in it, so that
# the loader has to be told what $ORIGIN is.
if [[ ${EBUILD_PHASE-} == preinst && -z ${MISC_FUNCTIONS_ARGS-} ]]; then
    __root=${ROOT%/}
    /sbin/ldconfig -X -r "${__root}" 2>/dev/null
    for __program in "${__root}"/usr/bin/* "${__root}"WRAPPED/*; do
        [[ -f ${__program} ]] || continue
        __name=${__program##*/} __places=
        [[ ${__program} == */wrapped/* ]] && __places=/opt/${__name#p}
        if ! __said=$(LD_LIBRARY_PATH=${__places} LD_ORIGIN_PATH=/usr/bin \
            ENTER "${__root}" "${__program#"${__root}"}" 2>&1 >/dev/null); then
            __owner=("${__root}"/var/db/pkg/app-misc/"${__name}"-*)
            echo "app-misc/${__owner[0]##*/}|${CATEGORY}/${PF}|${__said}" >> "${__root}/var/log/broken"
        fi
    done
    unset -v __root __program __name __places __said __owner
fi
"""


def system(
    path: Path,
    pool: Pool,
    installed: Iterable[str],
    *,
    plugin: bool = True,
    sparse: bool = False,
    ownerless: bool = False,
    guard: bool = True,
    **more: Any,
) -> Root:
    """A system with ``installed`` and this machine's C library, and all packages of the pool in its PKGDIR."""
    environment = environments.environment(more.pop("version", environments.NEWEST), plugin=plugin)
    packages = pool.sparse if sparse else pool.pkgdir
    root = Root.create(path, environment, [pool.repository], layout="root", PKGDIR=str(packages), **more)
    libc = subprocess.run(["gcc", "-print-file-name=libc.so.6"], capture_output=True, text=True, check=True).stdout.strip()
    for source, target in (("/lib64/ld-linux-x86-64.so.2", "lib64"), (libc, "usr/lib64")):
        (path / target).mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path / target)
    # Portage looks for it in its own prefix; without it, it preserves nothing the second time.
    (root.home / "usr/bin/scanelf").symlink_to(shutil.which("scanelf") or "/usr/bin/scanelf")
    (path / "etc/env.d/00glibc").write_text('LDPATH="/lib64:/usr/lib64"\n')
    places = ["/lib64", "/usr/lib64"]
    for cpv in installed:
        unpack(root, pool.package(cpv), cpv)
        places += [item.text.split('"')[1] for item in PACKAGES[cpv].items if isinstance(item, Text) and "/env.d/" in item.path]
    (path / "etc/ld.so.conf").write_text("".join(f"{place}\n" for place in places))
    if ownerless:
        _make_library(path / "usr/lib64" / OWNERLESS, OWNERLESS, ["N_1"])
    if guard and plugin:
        hooks(root)
    bashrc(root, WATCH.replace("ENTER", " ".join(_enter())).replace("WRAPPED", WRAPPED))
    return root


@dataclass(frozen=True, slots=True)
class Fall:
    """A program of the package ``owner`` that did not start when ``before`` was about to be merged, or at the end."""

    owner: str
    before: str
    reason: str


def falls(root: Root) -> list[Fall]:
    """What did not start so far, and what does not now."""
    log = root.path / "var/log/broken"
    found = [
        Fall(*line.split("|", 2)) for line in (log.read_text().splitlines() if log.exists() else []) if line.count("|") > 1
    ]
    subprocess.run(["/sbin/ldconfig", "-X", "-r", str(root.path)], check=False, capture_output=True)
    for program in (*root.path.glob("usr/bin/*"), *Path(f"{root.path}{WRAPPED}").glob("*")):
        places = f"/opt/{program.name[1:]}" if program.parent.name == "wrapped" else ""
        command = [*_enter(), str(root.path), f"/{program.relative_to(root.path)}"]
        variables = {"PATH": os.environ["PATH"] + ":/usr/sbin", "LD_LIBRARY_PATH": places, "LD_ORIGIN_PATH": "/usr/bin"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
        if done.returncode:
            owner = next(root.path.glob(f"var/db/pkg/app-misc/{program.name}-*"), None)
            found.append(Fall(f"app-misc/{owner.name if owner else program.name}", "", done.stderr.strip()))
    return found

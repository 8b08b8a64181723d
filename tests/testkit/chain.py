"""Packages whose libraries have symbol versions, as a toolchain's have, and a system that really runs what it merges.

The binhost builds with the plugin's hooks; the system is a ROOT with this machine's C library in it, into which programs are
started by ``chroot``, so that the loader there decides what runs. Both are built once, by real emerge, and kept in ``.cache``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.testkit import environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.environments import CACHE, CHECKOUT
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

GCC = "/usr/lib/gcc/x86_64-pc-linux-gnu"
LIB = "/usr/lib64"
PRIVATE = "/usr/lib64/util-linux"
Uses = Sequence[tuple[str, str]]
"""Sonames and the symbol versions used of them."""
CATEGORIES = ("app-crypt", "app-misc", "dev-db", "dev-libs", "sys-apps", "sys-devel", "sys-fs", "sys-libs")

LOADER_32 = Path("/lib/ld-linux.so.2")
"""Of Debian's libc6-i386. Without it the 32-bit packages are built all the same, but nothing starts them."""
CXX, CXX_NEW, CXX_NEWEST = "GLIBCXX_3.4", "GLIBCXX_3.4.32", "GLIBCXX_3.4.99"
OLD = (
    "=sys-libs/glibc-2.38", "=sys-devel/gcc-13.1", "=dev-libs/icu-73", "=dev-db/sqlite-3.43", "=app-crypt/gnupg-2.4",
    "=sys-apps/util-linux-2.39", "=sys-fs/lvm2-2.03", "=sys-apps/coreutils-9.3", "=dev-libs/foo-2", "=app-misc/usesfoo-1",
    "=dev-libs/ring-1", "=app-misc/usesring-1", "=dev-libs/wide-1", "=dev-libs/baz-1", "=app-misc/usesbaz-1",
)  # fmt: skip
"""What the system has installed, in the order of building."""
NEW = (
    "=sys-libs/glibc-2.39", "=sys-devel/gcc-13.2", "=dev-libs/icu-74", "=dev-db/sqlite-3.44", "=app-crypt/gnupg-2.5",
    "=sys-apps/util-linux-2.40", "=sys-fs/lvm2-2.04", "=sys-apps/coreutils-9.4", "=dev-libs/foo-1", "=app-misc/cxxtool-1",
    "=dev-libs/ring-2", "=sys-devel/gcc-14.1", "=app-misc/cxxnewest-1", "=dev-libs/wide-2", "=app-misc/tool64-1",
    "=app-misc/tool32-1", "=dev-libs/foo-compat-1", "=dev-libs/baz-3", "=app-misc/stumble-1",
)  # fmt: skip
RIVALS = ("=dev-libs/baz-lite-1", "=dev-libs/baz-ng-1")
"""Built and not installed: they block what is."""


def _function(node: str) -> str:
    return "at_" + "".join(c if c.isalnum() else "_" for c in node)


class ChainRepository(EbuildRepository):
    """Adds packages with versioned libraries."""

    def library(
        self,
        cpv: str,
        soname: str,
        nodes: Iterable[str],
        *,
        uses: Uses = (),
        directory: str = LIB,
        extra: str = "",
        more: str = "",
        **variables: str,
    ) -> None:
        """``soname`` with one function for each version node; ``extra`` shell code ends src_install, ``more`` the ebuild."""
        pf = cpv.split("/")[1]
        nodes = list(nodes)
        body = "".join(f"int {_function(node)}(void) {{ return {self._sum(uses)}; }}\n" for node in nodes)
        self._file(cpv, f"{pf}.c", self._declared(uses) + body)
        script = "".join(f"{node} {{ global: {_function(node)}; }};\n" for node in nodes)
        self._file(cpv, f"{pf}.map", script)
        link = f'-Wl,--version-script="${{FILESDIR}}"/{pf}.map' if nodes else ""
        self.ebuild(
            cpv,
            f"""
            src_compile() {{
                ${{CHOST}}-gcc ${{CFLAGS}} -shared -fPIC -Wl,-soname,{soname} {link} -o {soname} \\
                    "${{FILESDIR}}"/{pf}.c {self._linked(uses)} || die
            }}
            src_install() {{
                exeinto {directory}
                doexe {soname}
                {extra}
            }}
            {more}
            """,
            **variables,
        )

    def program(self, cpv: str, uses: Uses, *, runpath: str = "", **variables: str) -> None:
        """/usr/bin/${PN}, which prints its name and version when the loader lets it."""
        pn, pf = cpv.split("/")[1].rsplit("-", 1)[0], cpv.split("/")[1]
        places = f'-L"${{SYSROOT}}"{runpath} -Wl,-rpath,{runpath}' if runpath else ""
        print_it = f'printf("{pf}\\n"); return {self._sum(uses)};'
        self._file(cpv, f"{pf}.c", f"#include <stdio.h>\n{self._declared(uses)}int main(void) {{ {print_it} }}\n")
        self.ebuild(
            cpv,
            f"""
            src_compile() {{
                ${{CHOST}}-gcc ${{CFLAGS}} -o {pn} "${{FILESDIR}}"/{pf}.c {places} {self._linked(uses)} || die
            }}
            src_install() {{ dobin {pn}; }}
            """,
            **variables,
        )

    def _file(self, cpv: str, name: str, text: str) -> None:
        category, pf = cpv.split("/")
        self.write(f"{category}/{pf.rsplit('-', 1)[0]}/files/{name}", text)

    @staticmethod
    def _declared(uses: Uses) -> str:
        return "".join(f"extern int {_function(node)}(void);\n" for _, node in uses if node)

    @staticmethod
    def _sum(uses: Uses) -> str:
        return " + ".join([f"{_function(node)}()" for _, node in uses if node] or ["0"])

    @staticmethod
    def _linked(uses: Uses) -> str:
        sonames = dict.fromkeys(soname for soname, _ in uses)
        places = f'"${{ESYSROOT}}"{LIB} "${{ESYSROOT}}"{GCC}/14 "${{ESYSROOT}}"{GCC}/13'
        links = " ".join(f"-l:{soname}" for soname in sonames)
        return f"$(printf -- '-L%s ' {places}) -Wl,--no-as-needed {links} -Wl,--allow-shlib-undefined" if links else ""


def repository(location: Path) -> ChainRepository:
    """The packages of all scenarios."""
    chain = ChainRepository.create(location, "chain")
    chain.write("profiles/categories", "\n".join(CATEGORIES) + "\n")
    # This machine's own C library, whose loader runs everything, and a libm with one version node a release.
    real = """
                exeinto /lib64
                doexe /lib64/ld-linux-x86-64.so.2
                exeinto /usr/lib64
                doexe "$(${CHOST}-gcc -print-file-name=libc.so.6)"
                # As Gentoo's glibc has it: env-update makes ld.so.conf of these lines.
                echo 'LDPATH="/lib64:/usr/lib64:include ld.so.conf.d/*.conf"' > 00glibc || die
                doenvd 00glibc
    """
    releases = ["GLIBC_2.38", "GLIBC_2.39"]
    for count, version in enumerate(("2.38", "2.39"), 1):
        chain.library(f"sys-libs/glibc-{version}", "libm.so.6", releases[:count], extra=real)
    for version, slot, nodes, switches in (
        ("13.1", "13", [CXX], True),
        ("13.2", "13", [CXX, CXX_NEW], True),
        ("14.1", "14", [CXX, CXX_NEW, CXX_NEWEST], False),
    ):
        # gcc-config's file; the eclass runs gcc-config by itself only within a slot.
        switch = f'echo {GCC}/{slot} > "${{EROOT}}"/etc/ld.so.conf.d/05gcc-x86_64-pc-linux-gnu.conf || die' if switches else ":"
        fails = '[[ -e "${EROOT}"/etc/fail-gcc ]] && die "as asked"\n'
        chain.library(
            f"sys-devel/gcc-{version}",
            "libstdc++.so.6",
            nodes,
            directory=f"{GCC}/{slot}",
            more=f"""
            pkg_setup() {{ [[ ${{MERGE_TYPE}} == binary ]] && {fails} :; }}
            pkg_postinst() {{ mkdir -p "${{EROOT}}"/etc/ld.so.conf.d || die; {switch}; }}
            """,
            SLOT=slot,
            RDEPEND="dev-libs/ring" if version == "13.2" else "",
        )
    cxx = "libstdc++.so.6"
    chain.library("dev-libs/icu-73", "libicuuc.so.73", ["U_73"], uses=[(cxx, CXX)], SLOT="0/73")
    chain.library("dev-libs/icu-74", "libicuuc.so.74", ["U_74"], uses=[(cxx, CXX_NEW)], SLOT="0/74")
    icu = {"DEPEND": "dev-libs/icu:=", "RDEPEND": "dev-libs/icu:="}
    chain.library("dev-db/sqlite-3.43", "libsqlite3.so.0", ["SQLITE_3.43"], uses=[("libicuuc.so.73", "U_73")], **icu)
    both = ["SQLITE_3.43", "SQLITE_3.44"]
    chain.library("dev-db/sqlite-3.44", "libsqlite3.so.0", both, uses=[("libicuuc.so.74", "U_74")], **icu)
    chain.program("app-crypt/gnupg-2.4", [("libsqlite3.so.0", "SQLITE_3.43")], RDEPEND="dev-db/sqlite")
    chain.program("app-crypt/gnupg-2.5", [("libsqlite3.so.0", "SQLITE_3.44")], RDEPEND="dev-db/sqlite")
    # A library of its own, which the next version does without; usesring looks for it there.
    own = f"""
                ${{CHOST}}-gcc -shared -fPIC -Wl,-soname,libown.so.1 -o libown.so.1 -xc - <<< 'int own;' || die
                exeinto {PRIVATE}
                doexe libown.so.1
    """
    chain.library("sys-apps/util-linux-2.39", "libblkid.so.1", ["BLKID_2.15"], extra=own)
    chain.library("sys-apps/util-linux-2.40", "libblkid.so.1", ["BLKID_2.15", "BLKID_2_40"], RDEPEND="sys-fs/lvm2")
    chain.program("sys-fs/lvm2-2.03", [("libblkid.so.1", "BLKID_2.15")], RDEPEND="sys-apps/util-linux")
    chain.program("sys-fs/lvm2-2.04", [("libblkid.so.1", "BLKID_2_40")], RDEPEND="sys-apps/util-linux")
    chain.program("sys-apps/coreutils-9.3", [("libm.so.6", "GLIBC_2.38")])
    chain.program("sys-apps/coreutils-9.4", [("libm.so.6", "GLIBC_2.39")])
    chain.library("dev-libs/foo-1", "libfoo.so.1", ["FOO_1"])
    chain.library("dev-libs/foo-2", "libfoo.so.1", ["FOO_1", "FOO_2"])
    chain.program("app-misc/usesfoo-1", [("libfoo.so.1", "FOO_2")], RDEPEND="dev-libs/foo")
    chain.program("app-misc/cxxtool-1", [(cxx, CXX_NEW)])
    chain.program("app-misc/cxxnewest-1", [(cxx, CXX_NEWEST)])
    chain.library("dev-libs/ring-1", "libring.so.1", ["RING_1"], uses=[(cxx, CXX)], RDEPEND="sys-devel/gcc")
    chain.library("dev-libs/ring-2", "libring.so.1", ["RING_1"], uses=[(cxx, CXX_NEW)], RDEPEND="sys-devel/gcc")
    chain.program(
        "app-misc/usesring-1", [("libring.so.1", "RING_1"), ("libown.so.1", "")], runpath=PRIVATE, RDEPEND="dev-libs/ring"
    )
    # Nobody says that usesbaz needs baz: only what is in the files does.
    chain.program("app-misc/usesbaz-1", [("libbaz.so.1", "BAZ_2")])
    chain.library("dev-libs/baz-1", "libbaz.so.1", ["BAZ_1", "BAZ_2"])
    chain.library("dev-libs/baz-lite-1", "libbaz.so.1", ["BAZ_1"], RDEPEND="!dev-libs/baz")
    chain.library("dev-libs/baz-ng-1", "libbaz.so.1", ["BAZ_1", "BAZ_2"], RDEPEND="!dev-libs/baz")
    chain.library("dev-libs/baz-3", "libbaz.so.3", ["BAZ_3"], SLOT="0/3")
    chain.library("dev-libs/foo-compat-1", "libfoo.so.1", ["FOO_1"], directory="/usr/lib")
    stumbles = 'pkg_setup() { [[ ! -e "${EROOT}"/etc/fail-stumble ]] || die "as asked"; }\n'
    chain.ebuild("app-misc/stumble-1", stumbles + "src_install() { newbin - stumble <<< '#!'; }\n")
    # Both word sizes. There is no 32-bit C library to build with, so nothing of it is linked in.
    bare = "${CHOST}-gcc -m32 -nostdlib -nostartfiles -fPIC"
    if LOADER_32.exists():
        libc_32 = f"cp {LOADER_32.parent}32/libc.so.6 32/ || die\nexeinto /lib\ndoexe {LOADER_32}"
    else:
        libc_32 = f'{bare} -shared -Wl,-soname,libc.so.6 -o 32/libc.so.6 "${{FILESDIR}}"/wide-1.c || die'
    for version, nodes in (("1", ["W_1"]), ("2", ["W_1", "W_2"])):
        script = (
            "".join(f"{node} {{{{ global: {_function(node)}; }}}};\n" for node in nodes).replace("{{", "{").replace("}}", "}")
        )
        chain.write(f"dev-libs/wide/files/wide-{version}-32.map", script)
        small = f"""
                mkdir 32 || die
                {bare} -shared -Wl,-soname,libwide.so.1 -Wl,--version-script="${{FILESDIR}}"/wide-{version}-32.map \\
                    -o 32/libwide.so.1 "${{FILESDIR}}"/wide-{version}.c || die
                {libc_32}
                exeinto /usr/lib32
                doexe 32/*
        """
        chain.library(f"dev-libs/wide-{version}", "libwide.so.1", ["W_1", "W_2"], extra=small)
    chain.program("app-misc/tool64-1", [("libwide.so.1", "W_2")], RDEPEND="dev-libs/wide")
    # exit(at_W_2()), which is 0.
    start = 'void _start(void) { __asm__ volatile("int $0x80" : : "a"(1), "b"(at_W_2())); }'
    chain.write("app-misc/tool32/files/tool32.c", f"extern int at_W_2(void);\n{start}\n")
    chain.ebuild(
        "app-misc/tool32-1",
        f"""
        src_compile() {{
            {bare} -Wl,--dynamic-linker={LOADER_32} -o tool32 "${{FILESDIR}}"/tool32.c \\
                -L"${{SYSROOT}}"/usr/lib32 -l:libwide.so.1 || die
        }}
        src_install() {{ dobin tool32; }}
        """,
        RDEPEND="dev-libs/wide",
    )
    return chain


@dataclass(frozen=True, slots=True)
class Chain:
    """What was built: ``pkgdir`` has an index with contracts, ``bare`` the same packages in an index as Portage writes it."""

    directory: Path

    @property
    def pkgdir(self) -> Path:
        return self.directory / "binpkgs"

    @property
    def bare(self) -> Path:
        return self.directory / "bare"

    @property
    def system(self) -> Path:
        return self.directory / "system"

    @property
    def repository(self) -> EbuildRepository:
        return EbuildRepository(self.directory / "repo", "chain")


WATCH = r"""
# Portage sources this in every phase: the programs of the system have to start at each of them, whatever is being merged.
if [[ ${EBUILD_PHASE-} == @(clean|preinst|postinst|prerm|postrm) ]]; then
    __root=${ROOT%/}
    __places=$(cat "${__root}"/etc/ld.so.conf.d/*.conf 2>/dev/null | tr '\n' ':')/lib64:/usr/lib64:/usr/lib
    for __program in "${__root}"/usr/bin/*; do
        LC_ALL=C IFS= read -rN5 __head < "${__program}"
        case ${__head} in
            $'\x7fELF\x02') __start=(/lib64/ld-linux-x86-64.so.2 --inhibit-cache --library-path "${__places}") ;;
            $'\x7fELF\x01') __start=(/lib/ld-linux.so.2 --inhibit-cache --library-path /usr/lib32) ;;
            *) continue ;;
        esac
        [[ -e ${__root}${__start[0]} ]] || continue
        if ! __said=$(ENTER "${__root}" "${__start[@]}" "/usr/bin/${__program##*/}" 2>&1 >/dev/null); then
            echo "${__program##*/} at ${EBUILD_PHASE} of ${CATEGORY}/${PF}: ${__said}" >> "${__root}/var/log/broken"
        fi
    done
    unset -v __root __places __program __head __start __said
fi
"""
"""For bashrc: notes each program that does not start, as any phase of any merge finds it."""


def hooks(root: Root) -> None:
    """Have ``root`` source the phase hooks of this checkout, beside an administrator's own lines."""
    bashrc(root, f'source "{CHECKOUT}/bashrc.d/portage-ext.bashrc"\n')


def watch(root: Root) -> None:
    """Have ``root`` note in every phase of every merge which programs do not start; see :func:`broken`."""
    bashrc(root, WATCH.replace("ENTER", " ".join(_enter())))


def broken(root: Root) -> list[str]:
    """What did not start, and when, since :func:`watch`."""
    log = root.path / "var/log/broken"
    return log.read_text().splitlines() if log.exists() else []


def bashrc(root: Root, text: str) -> None:
    """Append ``text`` to the bashrc of ``root``, as an administrator would."""
    path = root.path / "etc/portage/bashrc"
    path.write_text((path.read_text() if path.exists() else "") + text)
    if root.home != root.path:
        shutil.copy(root.path / "etc/portage/bashrc", root.home / "etc/portage/bashrc")


def built() -> Chain:
    """The binhost and the system, built when something that goes into them has changed."""
    here = Path(__file__).parent
    files = [here / name for name in ("chain.py", "ebuilds.py", "roots.py")]
    for part in ("elf", "model", "hooks", "gpkg", "index", "pkgdir"):
        files += sorted((CHECKOUT / "portage_ext" / part).glob("*.py"))
    files += sorted((CHECKOUT / "bashrc.d").iterdir())
    recipe = hashlib.sha256(b"".join(file.read_bytes() for file in files))
    recipe.update(str(LOADER_32.exists()).encode())
    digest = recipe.hexdigest()[:12]
    chain = Chain(CACHE / f"chain-{environments.NEWEST}-{digest}")
    with environments.locked("chain"):
        if not chain.directory.is_dir():
            for old in CACHE.glob("chain-*/"):
                shutil.rmtree(old)
            _build(chain)
    return chain


def _build(chain: Chain) -> None:
    partial = chain.directory.with_name("chain.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        work = Path(name)
        work.chmod(0o755)
        repo = repository(work / "repo")
        environment = environments.environment()
        maker = Root.create(
            work / "r", environment, [repo], layout="root", features="buildpkg binpkg-multi-instance", CONFIG_PROTECT="-*"
        )
        hooks(maker)
        maker.run("egencache", "--update", "--repo", repo.name, "--jobs", "2").ok()
        maker.emerge("-1", "--quiet", "--nodeps", *OLD).ok()
        shutil.copytree(
            maker.path,
            partial / "system",
            symlinks=True,
            ignore=shutil.ignore_patterns("portage", "binpkgs", "log", "install-qa-check.d"),
        )
        for part in (NEW, OLD[4:5]):
            maker.emerge("-1", "--quiet", "--nodeps", *part).ok()
        maker.emerge("-1", "--quiet", "--nodeps", "--buildpkgonly", *RIVALS).ok()
        shutil.copytree(maker.pkgdir, partial / "bare", ignore=shutil.ignore_patterns("*.portage_lockfile", "*.lock"))
        _without_contracts(partial / "bare/Packages")
        maker.run("portage-ext", "reindex", "--pkgdir", str(maker.pkgdir)).ok()
        shutil.copytree(maker.pkgdir, partial / "binpkgs", ignore=shutil.ignore_patterns("*.portage_lockfile", "*.lock"))
        shutil.copytree(repo.location, partial / "repo")
    partial.rename(chain.directory)


def _without_contracts(index: Path) -> None:
    lines = index.read_text().splitlines(keepends=True)
    index.write_text("".join(line for line in lines if not line.startswith("SYMBOL_CONTRACT")))
    for packed in index.parent.glob("Packages.*"):
        packed.unlink()


def client(
    path: Path,
    chain: Chain,
    url: str,
    *,
    version: str = environments.NEWEST,
    plugin: bool = True,
    guard: bool = True,
    **more: str,
) -> Root:
    """A copy of the system, with the binhost at ``url``; ``guard`` sources the phase hooks."""
    environment = environments.environment(version, plugin=plugin)
    root = Root.create(path, environment, [chain.repository], layout="root", **more)
    for part in ("usr", "lib", "lib64", "etc/ld.so.conf", "etc/ld.so.conf.d", "etc/env.d", "var/db/pkg"):
        source = chain.system / part
        if not source.exists():
            continue
        if source.is_dir():
            shutil.copytree(source, path / part, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(source, path / part)
    root.etc(
        "binrepos.conf", f"[chain]\nsync-uri = {url}\nlocation = {path}/var/cache/binhost/chain\nverify-signature = false\n"
    )
    if guard and plugin:
        hooks(root)
    watch(root)
    return root


def _enter() -> tuple[str, ...]:
    return ("chroot",) if os.getuid() == 0 else ("unshare", "--map-root-user", "chroot")


def run_program(root: Root, name: str) -> Outcome:
    """Start /usr/bin/``name`` inside the system, after ldconfig has looked at its configuration as env-update has it do."""
    subprocess.run(["/sbin/ldconfig", "-X", "-r", str(root.path)], check=True, capture_output=True)
    command = (*_enter(), str(root.path), f"/usr/bin/{name}")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"] + ":/usr/sbin"})
    return Outcome(command, done.returncode, done.stdout, done.stderr)

"""A binhost and two clients in a system whose libraries have symbol versions, and what a day brings to them.

Binhost and clients begin with the same installed packages (tests/testkit/chain). On each day both clients update themselves,
and the day counts what they merged, whether every program started in every phase of every merge, and the bytes that each
fetched.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from portage_ext.config import binrepos
from portage_ext.trust import manage
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.words import size
from tests.system.attacks.lab import binrepo
from tests.system.updates.fleet import ELOG, Fleet, Report, killed
from tests.testkit import chain as kit
from tests.testkit import httpd, keys
from tests.testkit.chain import Chain, broken, run_program
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.httpd import Server
from tests.testkit.keys import SigningKey
from tests.testkit.roots import Root

MOVING = {
    "sys-libs/glibc": ("2.38", "2.39"),
    "sys-apps/coreutils": ("9.3", "9.4"),
    "sys-devel/gcc": ("13.1", "13.2"),
    "dev-libs/icu": ("73", "74"),
    "dev-db/sqlite": ("3.43", "3.44"),
    "app-crypt/gnupg": ("2.4", "2.5"),
    "dev-libs/ring": ("1", "1"),
}
"""Packages of the chain, the version that is installed at first, and the one that comes."""
GLIBC = ("sys-libs/glibc", "sys-apps/coreutils")
WORLD = (*MOVING, "app-misc/big", "app-misc/tool")
DATA = 400_000
"""Bytes in app-misc/big that no compression makes smaller."""
BIG = """
src_compile() {
    ${CHOST}-gcc ${CFLAGS} $(use extra && echo -DEXTRA) -DVERSION="\\"${PVR}\\"" -o big \\
        "${FILESDIR}"/big.c "${FILESDIR}"/data.S -Wa,-I"${FILESDIR}" -L"${ESYSROOT}"/usr/lib64 -ltiny || die
}
src_install() { dobin big; }
"""
"""A program with its data in it, as an office program or a browser has; it is built again when USE or the library changes."""
BIG_SOURCE = """
#include <stdio.h>
int tiny(void);
extern const unsigned char data[];
int main(void) {
#ifdef EXTRA
    puts("extra");
#endif
    printf("%s %d\\n", VERSION, data[0]);
    return tiny() == 42 ? 0 : 1;
}
"""
TOOL = "#include <stdio.h>\nint main(void) { puts(VERSION); return 0; }\n"
LIBRARY = "int tiny(void) { return 42; }\n"


@dataclass(frozen=True, slots=True)
class Row:
    """A day: what came, how much Portage alone fetched, and how much portage-ext did, of that in deltas."""

    number: int
    what: str
    came: int
    alone: int
    ours: int
    deltas: int


@dataclass(slots=True)
class Client:
    root: Root
    server: Server
    fetched: int = 0

    def news(self, tree: Path) -> tuple[int, int]:
        """The bytes of packages and deltas that were fetched since the last call, and how many deltas they were."""
        asked = [one.path.lstrip("/") for one in self.server.log[self.fetched :] if one.method == "GET" and one.status == 200]
        self.fetched = len(self.server.log)
        deltas = [path for path in asked if "/deltas/" in path]
        packages = [path for path in asked if path.endswith(".gpkg.tar")]
        return sum((tree / path).stat().st_size for path in (*packages, *deltas)), len(deltas)


@dataclass(slots=True)
class Days:
    """``fleet`` has the binhost; ``rows`` grow by a day."""

    fleet: Fleet
    ours: Client
    alone: Client
    rows: list[Row] = field(default_factory=list)

    @property
    def clients(self) -> tuple[Root, Root]:
        return self.ours.root, self.alone.root

    def kill(self, step: str) -> None:
        """Start today's update, and kill it with all that it has started when it has begun ``step``."""
        journal = self.fleet.binhost.path / "var/lib/portage-ext/update/journal.json"

        def reached() -> bool:
            return journal.exists() and json.loads(journal.read_text())["running"] == step

        killed(self.fleet.binhost, reached, "portage-ext", "update")

    def clients_update(self, what: str, report: Report) -> None:
        """Both clients update themselves: binaries alone, and every program runs, in each phase of each merge and after it."""
        ours, alone = self.clients
        assert self.fleet.update(root=ours).ok().values["failed"] == []
        alone.emerge("--update", "--deep", "--newuse", "@world").ok()
        for client in self.clients:
            assert set(client.merged().values()) <= {"binary"}, client.merged()
            assert broken(client) == []
            for program in sorted((client.path / "usr/bin").iterdir()):
                if program.read_bytes()[:5] == b"\x7fELF\x02":
                    run_program(client, program.name).ok()
        (fetched, deltas), (whole, none) = (one.news(self.fleet.tree) for one in (self.ours, self.alone))
        assert none == 0
        self.rows.append(Row(len(self.rows) + 1, what, len(report.values["came"]), whole, fetched, deltas))

    def tool(self, version: str, body: str = "") -> None:
        """A new version of a small program; ``body`` takes the place of what builds it."""
        self.fleet.repository.c_program(f"app-misc/tool-{version}", TOOL)
        if body:
            self.fleet.repository.ebuild(f"app-misc/tool-{version}", body)

    def big(self, version: str) -> None:
        both = {"DEPEND": "dev-libs/libtiny:=", "RDEPEND": "dev-libs/libtiny:="}
        self.fleet.repository.ebuild(f"app-misc/big-{version}", BIG, IUSE="extra", **both)

    def library(self, version: int) -> None:
        self.fleet.repository.c_library(f"dev-libs/libtiny-{version}.0", LIBRARY, f"libtiny.so.{version}", SLOT=f"0/{version}")

    def moves(self, *still: str) -> None:
        """Have the binhost see the new versions of all packages of the chain but ``still``."""
        hidden = [f">{name}-{MOVING[name][0]}" for name in still] + [">=sys-devel/gcc-14", ">dev-libs/ring-1"]
        self.fleet.binhost.etc("package.mask", "".join(f"{one}\n" for one in hidden))

    def a_day_later(self) -> None:
        """Have each channel as it is when clients had their time to get the toolchain."""
        for channel in ("staging", "production"):
            note = self.fleet.tree / channel / ".release.json"
            values = json.loads(note.read_bytes())
            if "arrived" in values:
                values["arrived"] = {name: since - 86400 for name, since in values["arrived"].items()}
            if values.get("waiting"):
                values["waiting"]["until"] -= 86400
            note.write_text(json.dumps(values))

    def table(self) -> str:
        """The days for a person, with the bytes that deltas saved."""
        lines = [f"{'day':>3}  {'':44} {'new':>3} {'Portage alone':>13} {'portage-ext':>11}  deltas"]
        for row in self.rows:
            lines.append(
                f"{row.number:>3}  {row.what:44} {row.came:>3} {size(row.alone):>13} {size(row.ours):>11}  {row.deltas or ''}"
            )
        alone, ours = sum(row.alone for row in self.rows), sum(row.ours for row in self.rows)
        share = 100 * (alone - ours) / alone
        lines.append(f"deltas saved {size(alone - ours)} of {size(alone)} ({share:.0f} %) of what a client fetches")
        return "\n".join(lines)


@contextmanager
def begun(work: Path, key: SigningKey) -> Iterator[Days]:
    """A binhost that has its packages and has published nothing, and two clients."""
    chain = kit.built()
    repository = kit.ChainRepository.create(work / "repo", "fleet", masters=chain.repository.name)
    # Those of the chain do not say that they need the new toolchain to be built: here emerge decides in which order.
    repository.program("sys-apps/coreutils-9.4", [("libm.so.6", "GLIBC_2.39")], DEPEND=">=sys-libs/glibc-2.39")
    icu = [("libstdc++.so.6", kit.CXX_NEW)]
    repository.library("dev-libs/icu-74", "libicuuc.so.74", ["U_74"], uses=icu, SLOT="0/74", DEPEND=">=sys-devel/gcc-13.2")
    folder = repository.location / "app-misc/big/files"
    folder.mkdir(parents=True)
    (folder / "big.c").write_text(BIG_SOURCE)
    (folder / "data").write_bytes(random.Random(20).randbytes(DATA))
    (folder / "data.S").write_text('.section .rodata\n.globl data\ndata: .incbin "data"\n.section .note.GNU-stack\n')
    gnupg = work / "host/etc/portage/gnupg"
    keys.trust(gnupg, key)
    binhost = kit.client(
        work / "host",
        chain,
        "file:///nowhere",
        features="buildpkg binpkg-multi-instance",
        BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg),
        **ELOG,
    )
    (binhost.path / "etc/portage/binrepos.conf").unlink()
    _add(binhost, repository)
    for name, (old, _) in MOVING.items():
        for found in chain.pkgdir.glob(f"{name}/{name.partition('/')[2]}-{old}-*.gpkg.tar"):
            target = binhost.pkgdir / found.relative_to(chain.pkgdir)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, target)
    fleet = Fleet(work, repository, binhost, work / "tree", key)
    fleet.tree.mkdir()
    fleet.world(binhost, *WORLD)
    with ExitStack() as stack:
        servers = [stack.enter_context(httpd.serve(fleet.tree)) for _ in range(2)]
        made = Days(fleet, *(_client(fleet, chain, one, plugin=one is servers[0]) for one in servers))
        made.moves(*MOVING)
        yield made


def _client(fleet: Fleet, chain: Chain, server: Server, *, plugin: bool) -> Client:
    name = "ours" if plugin else "alone"
    gnupg = fleet.work / name / "etc/portage/gnupg"
    root = kit.client(
        fleet.work / name,
        chain,
        server.url,
        plugin=plugin,
        features="getbinpkg binpkg-multi-instance",
        BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg),
        EMERGE_DEFAULT_OPTS="--getbinpkgonly",
    )
    _add(root, fleet.repository)
    (root.path / "etc/portage/binrepos.conf").unlink()
    root.etc("binrepos.conf/lab.conf", binrepo(root, "lab", f"{server.url}/production"))
    if plugin:
        manage.add(TrustDirectory(root.path), gnupg, "lab", fleet.key.fingerprint, fleet.key.public(), "the test")
        assert binrepos.connect(root.path, "lab")
    else:
        keys.trust(gnupg, fleet.key)
    fleet.world(root, *WORLD)
    return Client(root, server)


def _add(root: Root, repository: EbuildRepository) -> None:
    """Give ``root`` a further repository, and the program by which Portage finds what still uses a library that it keeps."""
    (root.home / "usr/bin/scanelf").symlink_to(root.environment.tools / "scanelf")
    repos = root.path / "etc/portage/repos.conf"
    repos.write_text(f"{repos.read_text()}\n[{repository.name}]\nlocation = {repository.location}\n")

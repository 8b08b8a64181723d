"""``portage-ext why @world`` over many packages, beside ``emerge -pguDN @world`` of plain Portage.

    python -m bench.why [PACKAGES] [RUNS]

Every package of the world file has a binary: one that is taken, of other USE, of an older version, or not whitelisted. The
index holds 30,000 entries. Every figure is the whole process.
"""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
import time
from pathlib import Path

from bench import measure
from bench.measure import Command, Figure
from bench.whitelist import synthetic_index
from tests.testkit import environments, httpd
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

ENTRIES = 30000


def main() -> None:
    """Measure and print the table."""
    packages = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    figures = measured(packages, runs, ENTRIES)
    base = figures["emerge"]
    rows = [["", "wall s", "cpu s", "peak MiB", "of emerge's time"]]
    for title, label in (
        ("emerge", "emerge -pguDN @world, Portage alone"),
        ("why, all on", "portage-ext why @world -- -g"),
        ("why", "portage-ext why @world, half of them listed"),
    ):
        one = figures[title]
        rows.append([label, f"{one.seconds:.2f}", f"{one.cpu:.2f}", f"{one.mib:.0f}", f"{one.seconds / base.seconds:.2f}"])
    print(f"{packages} packages, {ENTRIES} entries in the index; medians of {runs} runs; load {os.getloadavg()[0]:.1f}\n")
    print(measure.table(rows))


def measured(packages: int, runs: int, entries: int) -> dict[str, Figure]:
    """The figures of each command by name, over a world of ``packages`` and an index of ``entries``."""
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        work = Path(name)
        work.chmod(0o755)
        repository = tree(work / "tree", packages)
        pkgdir = work / "pkgdir"
        index(pkgdir, packages, entries)
        with httpd.serve(pkgdir) as server:
            ours = client(work / "ours", repository, server.url, packages, plugin=True)
            theirs = client(work / "theirs", repository, server.url, packages, plugin=False)
            emerge = ["emerge", "--pretend", "--getbinpkg", "--update", "--deep", "--newuse", "@world"]
            return measure.compare(
                [
                    Command("emerge", [str(theirs.environment.bin / emerge[0]), *emerge[1:]], theirs.variables()),
                    command(ours, "why, all on", "--", "--getbinpkg"),
                    command(ours, "why"),
                ],
                runs,
            )


def command(root: Root, title: str, *more: str) -> Command:
    words = [str(root.environment.bin / "portage-ext"), "why", "@world", *more]
    return Command(title, words, root.variables(), statuses=(3,))


def tree(location: Path, packages: int) -> EbuildRepository:
    """Packages that depend on each other in a shallow tree; every third has a USE flag."""
    made = EbuildRepository.create(location)
    for number in range(packages):
        needs = f"dev-libs/p{number // 4}" if number else ""
        made.ebuild(f"dev-libs/p{number}-2", IUSE="+foo bar" if number % 3 == 0 else "", RDEPEND=needs)
    return made


def index(pkgdir: Path, packages: int, entries: int) -> None:
    """The binaries of these packages in an index with many others."""
    pkgdir.mkdir()
    stamp = int(time.time())
    header = f"ARCH: amd64\nCHOST: x86_64-pc-linux-gnu\nPACKAGES: {packages}\nTIMESTAMP: {stamp}\nUSE: foo\nVERSION: 0\n"
    own = []
    for number in range(packages):
        version = 1 if number % 5 == 0 else 2
        use = {"IUSE": "+foo bar", "USE": "bar foo" if number % 2 else "foo"} if number % 3 == 0 else {}
        values = {
            "BUILD_ID": "1",
            "BUILD_TIME": str(stamp - 1000),
            "CPV": f"dev-libs/p{number}-{version}",
            "DEFINED_PHASES": "-",
            "EAPI": "8",
            "KEYWORDS": "amd64",
            "LICENSE": "GPL-2",
            "MD5": "0" * 32,
            "MTIME": str(stamp - 900),
            "PATH": f"dev-libs/p{number}/p{number}-{version}-1.gpkg.tar",
            "RDEPEND": f"dev-libs/p{number // 4}" if number else "",
            "REPO": "tiny",
            "SHA1": "0" * 40,
            "SIZE": "61440",
            **use,
        }
        own.append("".join(f"{key}: {value}\n" for key, value in sorted(values.items()) if value))
    text = synthetic_index(header + "\n" + "\n".join(own) + "\n", entries)
    (pkgdir / "Packages").write_text(text)
    (pkgdir / "Packages.gz").write_bytes(gzip.compress(text.encode(), 6))
    for file in pkgdir.iterdir():
        os.utime(file, (stamp, stamp))


def client(path: Path, repository: EbuildRepository, url: str, packages: int, *, plugin: bool) -> Root:
    """A host with all of the packages in its world file."""
    root = Root.create(path, environments.environment(plugin=plugin), [repository])
    conf = f"[lab]\nsync-uri = {url}\nlocation = {path}/var/cache/binhost/lab\nverify-signature = false\n"
    root.etc("binrepos.conf", conf)
    (path / "var/lib/portage/world").write_text("".join(f"dev-libs/p{number}\n" for number in range(packages)))
    root.etc("env/on", 'FEATURES="getbinpkg"\n')
    if plugin:
        root.etc("package.env", "".join(f"dev-libs/p{number} on\n" for number in range(0, packages, 2)))
    root.run("egencache", "--update", "--repo", repository.name, "--jobs", "2").ok()
    return root


if __name__ == "__main__":
    main()

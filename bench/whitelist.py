"""What an index of 30,000 packages adds to ``emerge -p`` of one of five listed packages, beside Portage's ``emerge -pg``.

    python -m bench.whitelist [ENTRIES] [RUNS]

Every figure is the whole process; "adds" is against plain Portage's ``emerge -p`` in the same rounds.
"""

from __future__ import annotations

import gzip
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Container
from pathlib import Path

from bench import measure
from bench.measure import Command, Figure
from tests.testkit import binhost as kit
from tests.testkit import httpd
from tests.testkit.roots import Root

COMMANDS = ("plain", "theirs, seen", "ours, seen", "theirs, new", "ours, new", "idle", "portageq plain", "portageq idle")
LISTED = ("app-misc/hello", "app-misc/flags", "app-misc/cxxhello", "kde-apps/alpha", "net-libs/webkit")


def synthetic_index(real: str, entries: int) -> str:
    """An index with the packages of ``real`` and as many made-up ones as ``entries`` asks for, about 1.1 KB each."""
    header, _, body = real.partition("\n\n")
    random.seed(30000)
    words = [f"{random.choice('abcdefghijklmnop')}{n}" for n in range(2000)]
    blocks = [block for block in body.strip("\n").split("\n\n") if block]
    for number in range(entries - len(blocks)):
        name = f"cat-{number % 160}/{random.choice(words)}-{random.choice(words)}"
        depends = " ".join(f">=cat-{random.randrange(160)}/{random.choice(words)}-{random.randrange(9)}" for _ in range(14))
        blocks.append(
            f"BUILD_ID: 1\nBUILD_TIME: 17000{number:05}\nCPV: {name}-{number % 9}.{number}\nDEFINED_PHASES: compile install\n"
            f"DEPEND: {depends}\nDESC: {' '.join(random.choices(words, k=8))}\nEAPI: 8\n"
            f"IUSE: {' '.join(random.choices(words, k=9))}\nKEYWORDS: amd64\nLICENSE: GPL-2\n"
            f"MD5: {random.randbytes(16).hex()}\nMTIME: 1700000000\n"
            f"PATH: {name}/{name.split('/')[1]}-{number}-1.gpkg.tar\nPROVIDES: x86_64: lib{number}.so.1\nRDEPEND: {depends}\n"
            f"REPO: tiny\nSHA1: {random.randbytes(20).hex()}\nSIZE: 61440\nUSE: {' '.join(random.choices(words, k=9))}\n"
        )
    return header + "\n\n" + "\n\n".join(block.strip("\n") for block in blocks) + "\n\n"


def main() -> None:
    """Measure and print the table."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 30000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    size, figures = measured(entries, runs)
    print(f"{entries} entries, {size:.0f} MiB of Packages; medians of {runs} runs, whole processes\n")
    print(report(figures))


def measured(entries: int, runs: int, names: Container[str] = COMMANDS) -> tuple[float, dict[str, Figure]]:
    """The MiB of an index of ``entries`` packages, and the figures of the commands with these names."""
    binhost = kit.standard()
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        work = Path(name)
        pkgdir = work / "pkgdir"
        pkgdir.mkdir()
        text = synthetic_index((binhost.pkgdir / "Packages").read_text(), entries)
        (pkgdir / "Packages").write_text(text)
        (pkgdir / "Packages.gz").write_bytes(gzip.compress(text.encode(), 9))
        found = re.search(r"^TIMESTAMP: (\d+)$", text, re.MULTILINE)
        assert found is not None, "the index of the binhost has no TIMESTAMP"
        stamp = int(found[1])
        for file in pkgdir.iterdir():  # as Portage leaves them, for If-Modified-Since
            os.utime(file, (stamp, stamp))
        with httpd.serve(pkgdir) as server:
            ours = kit.client(work / "ours", binhost, {"tinybin": server.url})
            ours.etc("env/on", 'FEATURES="getbinpkg"\n')
            ours.etc("package.env", "".join(f"{atom} on\n" for atom in LISTED))
            idle = kit.client(work / "idle", binhost, {"tinybin": server.url})
            idle.etc("env/cflags", 'CFLAGS="${COMMON_FLAGS} -O3"\n')
            idle.etc("package.env", "app-misc/hello cflags\n")
            theirs = kit.client(work / "theirs", binhost, {"tinybin": server.url}, plugin=False)
            theirs.etc("env/cflags", 'CFLAGS="${COMMON_FLAGS} -O3"\n')
            theirs.etc("package.env", "app-misc/hello cflags\n")
            commands = [
                emerge("plain", theirs, "-p"),
                emerge("theirs, seen", theirs, "-pg"),
                emerge("ours, seen", ours, "-p"),
                emerge("theirs, new", theirs, "-pg", before=lambda: forget(theirs)),
                emerge("ours, new", ours, "-p", before=lambda: forget(ours)),
                emerge("idle", idle, "-p"),
                query("portageq plain", theirs),
                query("portageq idle", idle),
            ]
            figures = measure.compare([command for command in commands if command.name in names], runs)
    return len(text) / 2**20, figures


def emerge(name: str, root: Root, option: str, before: Callable[[], None] = lambda: None) -> Command:
    return Command(name, [str(root.environment.bin / "emerge"), option, LISTED[0]], root.variables(), before)


def query(name: str, root: Root) -> Command:
    return Command(name, [str(root.environment.bin / "portageq"), "envvar", "ARCH"], root.variables())


def forget(root: Root) -> None:
    """Drop the cached index, so that it is downloaded again."""
    shutil.rmtree(root.path / "var/cache/edb/binhost", ignore_errors=True)
    subprocess.run(["sync", "-f", str(root.path)], check=False)


def report(figures: dict[str, Figure]) -> str:
    """The table, with ratios where the issue asks for one."""
    plain = figures["plain"]
    rows = [["", "wall s", "adds s", "cpu s", "peak MiB", "adds MiB", "of Portage's: time", "memory"]]

    def row(name: str, label: str, base: Figure, against: str | None = None) -> None:
        figure = figures[name]
        cells = [label, f"{figure.seconds:.3f}", f"{figure.seconds - base.seconds:+.3f}", f"{figure.cpu:.3f}"]
        cells += [f"{figure.mib:.1f}", f"{figure.mib - base.mib:+.1f}"]
        if against:
            other = figures[against]
            cells.append(f"{(figure.seconds - base.seconds) / (other.seconds - base.seconds):.3f}")
            cells.append(f"{(figure.mib - base.mib) / (other.mib - base.mib):.3f}")
        rows.append(cells + [""] * (8 - len(cells)))

    row("plain", "emerge -p, Portage alone", plain)
    row("theirs, seen", "emerge -pg, Portage alone, index seen", plain)
    row("ours, seen", "emerge -p, five listed, index seen", plain, "theirs, seen")
    row("theirs, new", "emerge -pg, Portage alone, index new", plain)
    row("ours, new", "emerge -p, five listed, index new", plain, "theirs, new")
    row("idle", "emerge -p, no getbinpkg entries", plain)
    row("portageq plain", "portageq envvar, Portage alone", figures["portageq plain"])
    row("portageq idle", "portageq envvar, with portage-ext", figures["portageq plain"])
    return measure.table(rows)


if __name__ == "__main__":
    main()

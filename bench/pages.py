"""The pages of a release with 30,000 packages: how long they take to write, and how fast a browser shows them and searches.

    python -m bench.pages [WORK] [--count 30000] [--changed 100] [--runs 5] [--no-browser]

The index is made of packages as bench.packages makes them, without their files. In each run some packages become other builds,
with another time, size and digests. One in ten of them also has other dependencies, one in twenty goes, and a new one comes.
Timed is what publishing with pages does more than without: what changed is found, rendered, linked and summed. The browser is
Chromium without a screen, over the server of `portage-ext serve`; its times are its own.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench import packages
from bench.measure import table
from portage_ext.pages.writing import About, Writer
from portage_ext.releases import contents
from portage_ext.releases.contents import Contents
from portage_ext.releases.made import Staged

COPIED = ("BUILD_TIME", "DEFINED_PHASES", "EAPI", "KEYWORDS", "RDEPEND", "SLOT", "USE", "IUSE")
HEADER = b"""REPO: gentoo
USE_EXPAND_IMPLICIT: ARCH ELIBC KERNEL
USE_EXPAND_UNPREFIXED: ARCH
USE_EXPAND_VALUES_ARCH: amd64
USE_EXPAND_VALUES_ELIBC: glibc
USE_EXPAND_VALUES_KERNEL: linux
"""
NOW = 1_780_000_000


def entry(package: packages.Package, chance: random.Random) -> tuple[str, bytes]:
    """The path and the text of an index entry."""
    files = {name: data.decode().strip() for name, data in package.files.items() if name != "environment.bz2"}
    path = f"{package.category}/{package.pn}/{package.pf}-{package.build_id}.gpkg.tar"
    values = {name: files[name] for name in COPIED if files.get(name)}
    values |= {"CPV": f"{package.category}/{package.pf}", "BUILD_ID": str(package.build_id), "DESC": files["DESCRIPTION"]}
    values |= {"PATH": path, "SIZE": str(package.payload + 12_000), "LICENSE": files.get("LICENSE", "GPL-2")}
    values |= digests(chance)
    libraries = [word for word in files.get("REQUIRES", "").split() if ".so" in word]
    values["SYMBOL_CONTRACT"] = "2 > x86_64 " + " ".join([f"{one}:V_1,V_2" for one in libraries] or ["libc.so.6:GLIBC_2.34"])
    return path, text(values)


def digests(chance: random.Random) -> dict[str, str]:
    seed = chance.randbytes(16)
    return {"BLAKE2B": hashlib.blake2b(seed).hexdigest(), "SHA512": hashlib.sha512(seed).hexdigest()}


def text(values: dict[str, str]) -> bytes:
    return "\n".join(f"{key}: {values[key]}" for key in sorted(values)).encode()


def index(entries: dict[str, bytes]) -> Contents:
    """As a release has it."""
    body = b"\n\n".join(entries.values())
    return contents.parse(b"PACKAGES: %d\n" % len(entries) + HEADER + b"\n" + body + b"\n\n", "Packages")


def changed(entries: dict[str, bytes], count: int, chance: random.Random) -> dict[str, bytes]:
    """The next index."""
    made = dict(entries)
    fresh = packages.packages(count, seed=chance.randrange(1 << 30))
    for place, path in enumerate(chance.sample(sorted(made), count)):
        values = dict(line.split(": ", 1) for line in made[path].decode().split("\n"))
        values |= {"BUILD_TIME": str(NOW), "SIZE": str(chance.randrange(10_000, 9_000_000)), **digests(chance)}
        if place % 10 == 0:
            values["RDEPEND"] = " ".join(values.get("RDEPEND", "").split()[1:])
        made[path] = text(values)
        if place % 20 == 1:
            del made[path]
            new = next(fresh)
            path, made_text = entry(replace(new, pn=f"{new.pn}new"), chance)
            made[path] = made_text
    return made


class Releases:
    """Releases of one channel below ``work``: only their pages."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.number = 0
        self.before = Contents({}, {}, b"")
        self.writer = Writer(About("amd64", "", ["0123456789ABCDEF0123456789ABCDEF01234567"], signed=lambda path: True))

    def publish(self, entries: dict[str, bytes]) -> tuple[float, float]:
        """Write the next release; the seconds that took, and those of CPU time."""
        self.number += 1
        live = self.work / str(self.number - 1) if self.number > 1 else None
        after, directory = index(entries), self.work / str(self.number)
        directory.mkdir()
        numbers = (self.number, "bench", "published", NOW + self.number * 86400, NOW + 30 * 86400)
        staged = Staged(directory, "production", *numbers, self.before, after, live, {}, 0)
        start, cpu = time.perf_counter(), time.process_time()
        bound = self.writer.write(staged)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        if not bound.startswith("pages/"):
            raise RuntimeError("the pages could not be written")
        self.before = after
        return seconds, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path, nargs="?")
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--changed", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp(prefix="bench.pages."))
    work.mkdir(parents=True, exist_ok=True)
    try:
        chance = random.Random(7)
        entries = dict(entry(one, chance) for one in packages.packages(options.count))
        releases = Releases(work)
        seconds, cpu = releases.publish(entries)
        rows = [["work", "figure"], [f"all pages of {len(entries)} packages", f"{seconds:.2f} s, {cpu:.2f} s of CPU time"]]
        taken = []
        for _ in range(options.runs):
            entries = changed(entries, options.changed, chance)
            taken.append(releases.publish(entries))
        seconds, cpu = (statistics.median(values) for values in zip(*taken, strict=True))
        told = f"{seconds:.3f} s, {cpu:.3f} s of CPU time (medians of {len(taken)})"
        rows.append([f"{options.changed} packages changed", told])
        pages = work / str(releases.number) / "pages"
        files = [path for path in pages.rglob("*") if path.is_file()]
        rows.append(["files", f"{len(files)}, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB"])
        if not options.no_browser:
            from bench.browsing import figures

            rows += figures(work, releases.number)
        print(table(rows))
    finally:
        if options.work is None:
            shutil.rmtree(work)


if __name__ == "__main__":
    main()

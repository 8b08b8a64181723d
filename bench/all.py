"""Every want of speed beside its peers, interleaved in one run: prints the table, writes it into a document, fails on a miss.

    python -m bench.all [WORK] [--count 10000] [--signed 10000] [--releases 30000] [--megabytes 500] [--runs 3]
                        [--only reindex,change,createrepo,fetch,after,releases] [--document docs/figures.md]

WORK keeps generated packages. Every figure is a median of whole processes with the least and the greatest beside it; wall time
and CPU time come from the kernel. Run it on a machine that does nothing else. The exit status is 1 when a want is missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench import after, measure, reindex, releases, rpms, trust, wanted
from bench.measure import Command
from bench.wanted import Want
from tests.testkit import keys

Samples = Mapping[str, Sequence[tuple[float, float, float]]]


def interleaved(commands: Sequence[Command], runs: int) -> Samples:
    """Wall time, CPU time and peak memory of each run, by the command's name."""
    samples: dict[str, list[tuple[float, float, float]]] = {command.name: [] for command in commands}
    for _ in range(runs):
        for command in commands:
            samples[command.name].append(measure.once(command))
    return samples


def middle(samples: Samples, name: str, part: int = 0) -> float:
    return statistics.median(one[part] for one in samples[name])


def told(samples: Samples, name: str) -> str:
    """Wall and CPU time of ``name`` with the spread."""
    walls = [one[0] for one in samples[name]]
    return f"{middle(samples, name):.3g} s ({min(walls):.3g} to {max(walls):.3g}; CPU {middle(samples, name, 1):.3g})"


def full(options: argparse.Namespace) -> Iterator[Want]:
    bench = reindex.Bench(options.work / "reindex", options.runs, 0)
    for count, signed in ((options.count, False), (options.signed, True)):
        pkgdir = bench.pkgdir(count, signed=signed)

        def empty(pkgdir: Path = pkgdir) -> None:
            reindex.clear(pkgdir)

        ours = bench.command("ours", reindex.FULL, pkgdir, "portage-ext", "reindex", before=empty)
        theirs = bench.command("Portage", reindex.FULL, pkgdir, "emaint", "binhost", "--fix", before=empty)
        found = interleaved([ours, theirs], options.runs)
        kind = "signed" if signed else "unsigned"
        ratio = middle(found, "Portage") / middle(found, "ours")
        yield Want(f"full reindex of {count} {kind}", told(found, "ours"), told(found, "Portage"), ratio, 30, " times")


def change(options: argparse.Namespace) -> Iterator[Want]:
    bench = reindex.Bench(options.work / "reindex", options.runs, 0)
    pkgdir = bench.pkgdir(options.count, signed=False)
    theirs = pkgdir.with_name(f"{pkgdir.name}-portage")
    shutil.rmtree(theirs, ignore_errors=True)
    subprocess.run(["cp", "-al", str(pkgdir), str(theirs)], check=True)
    commands = []
    for name, place, words in (
        ("ours", pkgdir, ("portage-ext", "reindex")),
        ("Portage", theirs, ("emaint", "binhost", "--fix")),
    ):
        numbers = iter(range(10_000))

        def step(place: Path = place, numbers: Iterator[int] = numbers) -> None:
            reindex.change(place, next(numbers))

        reindex.clear(place)
        commands.append(bench.command(name, reindex.INCREMENTAL, place, *words, before=step))
        measure.once(commands[-1])
    found = interleaved(commands, options.runs)
    shutil.rmtree(theirs)
    ratio = middle(found, "Portage") / middle(found, "ours")
    yield Want(f"one change among {options.count}", told(found, "ours"), told(found, "Portage"), ratio, 10, " times")


def createrepo(options: argparse.Namespace) -> Iterator[Want]:
    if not shutil.which("createrepo_c") or not shutil.which("rpmbuild"):
        print("createrepo_c or rpmbuild is not installed: that want is not measured", file=sys.stderr)
        return
    bench = reindex.Bench(options.work / "reindex", options.runs, 0)
    pkgdir, place = bench.pkgdir(options.count, signed=False), options.work / f"rpms-{options.count}"
    if not place.is_dir():
        rpms.build(place, options.count)

    def empty() -> None:
        reindex.clear(pkgdir)

    ours = bench.command("ours", reindex.FULL, pkgdir, "portage-ext", "reindex", before=empty)
    theirs = Command("createrepo_c", ("createrepo_c", "--quiet", str(place)), dict(os.environ))
    found = interleaved([ours, theirs], options.runs)

    def per_byte(name: str, directory: Path, pattern: str) -> float:
        return middle(found, name, 1) / sum(path.stat().st_size for path in directory.rglob(pattern))

    ratio = per_byte("ours", pkgdir, "*.gpkg.tar") / per_byte("createrepo_c", place, "*.rpm")
    title = f"CPU of a full reindex of {options.count}, by bytes, of createrepo_c's"
    yield Want(title, told(found, "ours"), told(found, "createrepo_c"), ratio, 2.5, " times", most=True)


def fetch(options: argparse.Namespace) -> Iterator[Want]:
    with tempfile.TemporaryDirectory(prefix="pe-", ignore_cleanup_errors=True) as name:
        work = Path(name)
        work.chmod(0o755)
        key = keys.new_key(work / "key")
        try:
            bench = trust._Bench(work, key, options.runs)
            bench.make(1, options.megabytes)
            for title, size, commands, runs in bench.fetches():
                found = interleaved(commands, runs)
                ours, theirs = middle(found, "ours"), middle(found, "wget")
                what, sides = f"fetch {size / 1e6:.1f} MB", (told(found, "ours"), told(found, "wget"))
                if title == "large":
                    yield Want(f"{what}, of wget's rate", *sides, theirs / ours, 1, " times")
                else:
                    yield Want(f"{what}, above wget", *sides, (ours - theirs) * 1000, 25, " ms", most=True)
        finally:
            keys.kill_agents(key.home)


def upkeep(options: argparse.Namespace) -> Iterator[Want]:
    first, found = after.measured(options.work / "after", options.signed, options.runs)
    alone = found["Portage alone"].seconds
    yield Want(f"first after-emerge over {options.signed} signed packages", f"{first:.3g} s", "", first, 15, " s", most=True)
    for mode in ("index", "publish"):
        one = found[mode]
        ours, adds = f"{one.seconds:.3g} s (CPU {one.cpu:.3g})", one.seconds - alone
        yield Want(f'after-emerge = "{mode}" adds', ours, f"emerge alone {alone:.3g} s", adds, 0.3, " s", most=True)


def published(options: argparse.Namespace) -> Iterator[Want]:
    kept = reindex.Bench(options.work / "reindex", options.runs, 0).pkgdir(options.releases, signed=False)
    seconds, directories = releases.measured(options.work / "releases", options.releases, 100, options.runs, pkgdir=kept)
    what = f"a release of {options.releases} packages, 100 changed"
    yield Want(f"{what}, gate index", f"{seconds:.3g} s", "", seconds, 0.7, " s", most=True)
    yield Want(f"directories that {what} adds", f"{directories:.0f}", "", directories, 16, "", most=True)


PARTS: Final[dict[str, Callable[[argparse.Namespace], Iterator[Want]]]] = {
    "reindex": full,
    "change": change,
    "createrepo": createrepo,
    "fetch": fetch,
    "after": upkeep,
    "releases": published,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, nargs="?", default=Path(".sandbox-bench"))
    for name, default in (("count", 10_000), ("signed", 10_000), ("releases", 30_000), ("megabytes", 500), ("runs", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    options.work = Path(os.path.abspath(options.work))
    options.work.mkdir(parents=True, exist_ok=True)
    options.work.chmod(0o755)
    wants = []
    for part in options.only.split(","):
        for want in PARTS[part](options):
            print("  ".join(want.row()), file=sys.stderr, flush=True)
            wants.append(want)
    about = (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, medians of {options.runs}:"
    )
    print(about + "\n" + measure.table([wanted.HEADING, *(want.row() for want in wants)]))
    if options.document:
        wanted.put(options.document, wanted.document(wants, about))
    return 0 if all(want.met for want in wants) else 1


if __name__ == "__main__":
    sys.exit(main())

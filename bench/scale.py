"""What grows with the number of packages, at 1,000, 10,000, 30,000 and 100,000 small ones: seconds of whole processes and MiB.

    python -m bench.scale WORK [--sizes 1000,10000,30000,100000] [--runs 3] [--only index,emerge,why,plan,releases]

WORK keeps generated packages, which take about 70 KB each. Every figure is a median of RUNS; the last column is how much it
grew from the second greatest size to the greatest, beside how much these grew: a figure that grows more than they do is marked.
MiB of a reindex is the highest sum of what all its processes have (Pss); of the others it is the peak of the largest process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from bench import contracts, measure, reindex, releases, whitelist, why

Row = tuple[str, float, str]
"""What was measured, how much of it, and its unit."""


def index(options: argparse.Namespace, count: int) -> Iterator[Row]:
    bench = reindex.Bench(options.work / "reindex", options.runs, 0)
    pkgdir = bench.pkgdir(count, signed=False)

    def empty() -> None:
        reindex.clear(pkgdir)

    full = bench.command("full", reindex.FULL, pkgdir, "portage-ext", "reindex", before=empty)
    yield "full reindex", statistics.median(measure.once(full)[0] for _ in range(options.runs)), "s"
    yield "full reindex, memory", reindex.memory_of(full), "MiB"
    numbers = iter(range(10_000))
    one = bench.command(
        "one", reindex.FULL, pkgdir, "portage-ext", "reindex", before=lambda: reindex.change(pkgdir, next(numbers))
    )
    measure.once(one)
    samples = [measure.once(one) for _ in range(options.runs)]
    yield "one change", statistics.median(sample[0] for sample in samples), "s"
    yield "one change, memory", statistics.median(sample[2] for sample in samples), "MiB"


def emerge(options: argparse.Namespace, count: int) -> Iterator[Row]:
    _, figures = whitelist.measured(count, options.runs)
    plain, theirs, ours, new = (figures[name] for name in ("plain", "theirs, seen", "ours, seen", "ours, new"))
    yield "emerge -p, five listed: adds", ours.seconds - plain.seconds, "s"
    yield "the same, index new: adds", new.seconds - plain.seconds, "s"
    yield "the same: adds", ours.mib - plain.mib, "MiB"
    yield "Portage's emerge -pg: adds", theirs.seconds - plain.seconds, "s"
    yield "Portage's emerge -pg: adds memory", theirs.mib - plain.mib, "MiB"


def explain(options: argparse.Namespace, count: int) -> Iterator[Row]:
    figures = why.measured(500, options.runs, count)
    yield "why @world, 500 packages, half listed", figures["why"].seconds, "s"
    yield "why @world, memory", figures["why"].mib, "MiB"
    yield "emerge -pguDN @world, Portage alone", figures["emerge"].seconds, "s"


def planned(options: argparse.Namespace, count: int) -> Iterator[Row]:
    """A plan of 500 binaries, whatever the index has: nobody merges all that it has at once."""
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        work = Path(name)
        work.chmod(0o755)
        figures = contracts.planned(work, options.runs, contracts.BINARIES, count)
    off = figures["off"]
    yield "emerge -pg of 500 binaries, plan check off", off.seconds, "s"
    yield "the plan check adds", figures["warn"].seconds - off.seconds, "s"
    yield "the plan check and a new order add", figures["enforce"].seconds - off.seconds, "s"
    yield "the plan check and a new order add, CPU", figures["enforce"].cpu - off.cpu, "s"
    yield "the plan check and a new order add, memory", figures["enforce"].mib - off.mib, "MiB"


def published(options: argparse.Namespace, count: int) -> Iterator[Row]:
    work = options.work / f"releases-{count}"
    shutil.rmtree(work, ignore_errors=True)
    source = reindex.Bench(options.work / "reindex", options.runs, 0).pkgdir(count, signed=False)
    reindex.clear(source)
    played = releases.Played.begun(work, count, source)
    try:
        for step in played.steps(100, options.runs, mirror=True):
            yield step.what, step.figure.seconds, "s"
            yield f"{step.what}, CPU", step.figure.cpu, "s"
            if step.what == releases.PUBLISH:
                yield f"{step.what}, memory", step.figure.mib, "MiB"
    finally:
        played.ended()
        shutil.rmtree(work)


PARTS: Final[dict[str, Callable[[argparse.Namespace, int], Iterator[Row]]]] = {
    "index": index,
    "emerge": emerge,
    "why": explain,
    "plan": planned,
    "releases": published,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--sizes", default="1000,10000,30000,100000")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    options.work = Path(os.path.abspath(options.work))
    options.work.mkdir(parents=True, exist_ok=True)
    options.work.chmod(0o755)
    sizes = [int(size) for size in options.sizes.split(",")]
    found: dict[str, list[tuple[float, str]]] = {}
    for part in options.only.split(","):
        for size in sizes:
            for what, figure, unit in PARTS[part](options, size):
                found.setdefault(what, []).append((figure, unit))
                print(f"{size} {what}: {figure:.3g} {unit}", file=sys.stderr, flush=True)
    print(table(sizes, found))
    print(
        f"\n{time.strftime('%Y-%m-%d')}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, medians of {options.runs}"
    )


def table(sizes: list[int], found: dict[str, list[tuple[float, str]]]) -> str:
    """The rows by size, in Markdown, with the growth over the last step."""
    more = sizes[-1] / sizes[-2] if len(sizes) > 1 else 1.0
    rows = [("", *(f"{size:,}" for size in sizes), f"grew (sizes: {more:.1f})")]
    rows.append(tuple("---" for _ in rows[0]))
    for what, cells in found.items():
        before, last = (cells[-2][0], cells[-1][0]) if len(cells) > 1 else (0.0, 0.0)
        grew = last / before if before > 0 else 0.0
        shown = f"{grew:.1f}" + (" (more)" if grew > 1.1 * more else "") if grew else ""
        rows.append((what, *(f"{figure:.3g} {unit}" for figure, unit in cells), shown))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


if __name__ == "__main__":
    main()

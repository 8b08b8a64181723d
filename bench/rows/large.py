"""What emerge pays for a large index, the memory of a full reindex, and the check of a plan."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import contracts, reindex, whitelist
from bench.rows.sizes import Bench
from bench.wanted import Want


def listed(bench: Bench) -> Iterator[Want]:
    """Five listed packages, beside Portage's ``-pg``, which is slow: both run as often."""
    many, names = bench.sizes.many, ("plain", "theirs, seen", "ours, seen", "theirs, new", "ours, new")
    _, found = whitelist.measured(many, bench.sizes.runs, names)
    plain = found["plain"]
    for when, wanted in (("seen", 0.1), ("new", 0.2)):
        ours, theirs = found[f"ours, {when}"], found[f"theirs, {when}"]
        ratio = (ours.seconds - plain.seconds) / (theirs.seconds - plain.seconds)
        what = f"emerge -p, {many:,} in the index ({when}): time added, of what -pg adds"
        sides = (
            f"{ours.seconds - plain.seconds:+.3g} s: {ours}",
            f"{theirs.seconds - plain.seconds:+.3g} s: emerge -pg {theirs}",
        )
        yield Want(what, *sides, ratio, wanted, most=True)
    ours, theirs = found["ours, seen"], found["theirs, seen"]
    sides = f"{ours.mib:.1f} MiB", f"plain {plain.mib:.1f} MiB; -pg {theirs.mib:.1f} MiB"
    yield Want(f"emerge -p, {many:,} in the index: memory above plain", *sides, ours.mib - plain.mib, 8, " MiB", most=True)


def memory(bench: Bench) -> Iterator[Want]:
    many = bench.sizes.many
    made = reindex.Bench(bench.work / "reindex", bench.sizes.runs, 0)
    pkgdir = made.pkgdir(many, signed=False)
    command = made.command("ours", reindex.FULL, pkgdir, "portage-ext", "reindex", before=lambda: reindex.clear(pkgdir))
    taken = [reindex.memory_of(command) for _ in range(bench.sizes.runs)]
    middle = statistics.median(taken)
    ours = f"{middle:.0f} MiB ({min(taken):.0f} to {max(taken):.0f}), {len(taken)} run{'s' if len(taken) > 1 else ''}"
    yield Want(f"memory of a full reindex of {many:,}, all processes", ours, "", middle, 300, " MiB", most=True)


def plan(bench: Bench) -> Iterator[Want]:
    """A plan of few binaries, with as many in the index, and with a large index."""
    binaries = bench.sizes.binaries
    for entries in (binaries, bench.sizes.counts[0]):
        with tempfile.TemporaryDirectory(prefix="pe-") as name:
            work = Path(name)
            work.chmod(0o755)
            found = contracts.planned(work, bench.sizes.runs, binaries, entries)
        for mode, what in (("warn", "plan check"), ("enforce", "plan check and a new order")):
            more = found[mode].seconds - found["off"].seconds
            title = f"{what} of {binaries} binaries adds, {entries:,} in the index"
            wanted = 0.5 if mode == "warn" else None
            yield Want(title, str(found[mode]), f"check off {found['off']}", more, wanted, " s", most=True)

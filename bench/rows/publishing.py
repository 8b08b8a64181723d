"""Work after emerge, and releases."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator

from bench import after, reindex, releases
from bench.rows.sizes import Bench
from bench.wanted import Want

CHANGED = 100
_WANTED = {releases.PUBLISH: 0.7, releases.PROMOTE: 0.5, releases.ROLLBACK: 0.5, releases.PRUNE: 0.5}


def upkeep(bench: Bench) -> Iterator[Want]:
    count = bench.sizes.signed[0]
    # Single emerges differ by more than what is wanted.
    first, found = after.measured(bench.work / "after", count, bench.sizes.runs * 3)
    alone = found["Portage alone"]
    yield Want(f"first after-emerge over {count:,} signed packages", str(first), "", first.seconds, 15, " s", most=True)
    for mode in ("off", "index", "publish"):
        wanted = None if mode == "off" else 0.3
        what, more = f'after-emerge = "{mode}" adds to emerge, {count:,} packages', found[mode].seconds - alone.seconds
        yield Want(what, str(found[mode]), f"emerge alone {alone}", more, wanted, " s", most=True)


def published(bench: Bench) -> Iterator[Want]:
    count = bench.sizes.releases
    kept = reindex.Bench(bench.work / "reindex", bench.sizes.runs, 0).pkgdir(count, signed=False)
    work = bench.work / "releases"
    shutil.rmtree(work, ignore_errors=True)
    played = releases.Played.begun(work, count, kept)
    changed = min(CHANGED, count)
    try:
        ours = {step.what: step.figure for step in played.steps(changed, bench.sizes.runs)}
        copy, index = (step.figure for step in played.peer(changed))
    finally:
        played.ended()
        shutil.rmtree(work)
    where = f"{count:,} packages, {changed} changed"
    for what, figure in ours.items():
        yield Want(f"{what}; {where}", str(figure), "", figure.seconds, _WANTED.get(what), " s", most=True)
    script = copy.seconds + index.seconds
    beside = f"cp -al of PKGDIR {copy}; emaint binhost --fix {index}"
    ratio = script / ours[releases.PUBLISH].seconds
    yield Want(
        f"the same release by cp -al and emaint, by ours; {where}", str(ours[releases.PUBLISH]), beside, ratio, unit=" times"
    )
    directories = statistics.median(played.directories)
    yield Want(f"directories that a release adds; {where}", f"{directories:.0f}", "", directories, 16, most=True)
    total = statistics.median(sum(one.values()) for one in played.growth) / 1e6
    yield Want(f"disk that a release adds; {where}", played.grew(), "", total, unit=" MB")

"""Packages are read by one process per processor, if there are enough packages to be worth starting processes.

The entries of many packages come back as finished blocks of the index, so that their text is never in memory at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final

from portage_ext import limits
from portage_ext.errors import ChangingPackageError, PackageError, UnacceptedSignatureError
from portage_ext.gpkg.source import HEAD, FileStamp
from portage_ext.index.blocks import Block, make_block, starts
from portage_ext.pkgdir.entry import Indexed, LeftOut, Outcome, ReadPlan, read_one
from portage_ext.pkgdir.naming import expected_cpv
from portage_ext.pkgdir.signatures import Signed, check_signatures
from portage_ext.records import record

Progress = Callable[[int, int], None]
"""Called with how many packages of how many are done."""

_FIRST: Final = itemgetter(0)


@record
class Batch:
    """What became of some packages. Those that go into the index are in ``blocks``, if there were many."""

    outcomes: list[Outcome]
    blocks: list[Block]


_plan: ReadPlan | None = None


def _start(plan: ReadPlan) -> None:
    global _plan
    _plan = plan


_Pieces = Sequence[Sequence[str]]
"""The paths of consecutive blocks."""


def _work(pieces: _Pieces) -> Batch:
    assert _plan is not None
    return _packed(pieces, _plan)


def _packed(pieces: _Pieces, plan: ReadPlan) -> Batch:
    outcomes = read_batch([path for piece in pieces for path in piece], plan)
    found = {one.row.path: one for one in outcomes if isinstance(one, Indexed)}
    blocks: list[Block] = []
    for piece in pieces:
        rows = sorted((found[path].row for path in piece if path in found), key=lambda row: row.cpv)
        if rows:
            blocks.append(make_block(rows, [found[row.path].entry for row in rows]))
    return Batch([one for one in outcomes if isinstance(one, LeftOut)], blocks)


def _batches(paths: Sequence[str], jobs: int) -> Sequence[_Pieces]:
    """``paths`` in the pieces that will be blocks of the index, if they say what the packages are and none is left out."""
    size = max(1, min(limits.BATCH, len(paths) // (4 * jobs) or 1))
    named = sorted([(expected_cpv(path), path) for path in paths], key=_FIRST)
    ends = starts([cpv.encode("utf-8", "surrogateescape") for cpv, _ in named])[1:]
    batches: list[list[list[str]]] = [[]]
    start = taken = 0
    for end in [*ends, len(named)]:
        while start < end:
            piece = [path for _, path in named[start : min(end, start + limits.BATCH)]]
            if taken >= size:
                batches.append([])
                taken = 0
            batches[-1].append(piece)
            taken += len(piece)
            start += len(piece)
    return batches


def read_all(paths: Sequence[str], plan: ReadPlan, jobs: int, progress: Progress) -> Iterator[Batch]:
    """One outcome for each of ``paths`` that still exists, in no order. Raises what :func:`read_batch` raises."""
    if len(paths) < limits.POOL_FROM:
        yield Batch(read_batch(paths, plan), [])
        progress(len(paths), len(paths))
        return
    batches = _batches(paths, jobs)
    if jobs > 1:
        yield from _pooled(batches, len(paths), plan, jobs, progress)
        return
    done = 0
    for batch in batches:
        yield _packed(batch, plan)
        done += sum(map(len, batch))
        progress(done, len(paths))


def _pooled(batches: Sequence[_Pieces], total: int, plan: ReadPlan, jobs: int, progress: Progress) -> Iterator[Batch]:
    # Imported here: most runs read a single package and need no pool.
    import multiprocessing
    from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

    done = 0
    # fork: the workers share the imported modules, and this process has no threads yet.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(plan,)) as pool:
        waiting: dict[Future[Batch], int] = {}
        rest = iter(batches)
        try:
            for batch in rest:
                waiting[pool.submit(_work, batch)] = sum(map(len, batch))
                if len(waiting) < 3 * jobs:
                    continue
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    done += waiting.pop(future)
                    yield future.result()
                    progress(done, total)
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    done += waiting.pop(future)
                    yield future.result()
                    progress(done, total)
        finally:
            for future in waiting:
                future.cancel()


def _stamp(path: str) -> FileStamp | None:
    try:
        return FileStamp.of(os.lstat(path))
    except OSError:
        return None


def read_batch(paths: Sequence[str], plan: ReadPlan) -> list[Outcome]:
    """Read several files and check their signatures together; one outcome for each path that still exists, in order.

    Raises VerificationUnavailableError.
    """
    outcomes: dict[str, Outcome] = {}
    buffer = bytearray(HEAD)
    top = str(plan.pkgdir)
    together: Mapping[str, tuple[Indexed, Signed | None]] = {}
    if len(paths) >= limits.TOGETHER_FROM and not plan.image:
        from portage_ext.pkgdir.together import read_together

        together = read_together(paths, plan)
    signed: list[Signed] = []
    waiting = 0

    def refuse(packages: list[Signed]) -> None:
        for path, reason in check_signatures(packages, plan.policy, thorough=plan.image).items():
            outcomes[path] = LeftOut(path, None, UnacceptedSignatureError(path, reason))
        packages.clear()

    for path in paths:
        for attempt in range(limits.READ_ATTEMPTS):
            stamp = _stamp(f"{top}/{path}")
            if stamp is None:
                break
            try:
                indexed, signature = together[path] if path in together else read_one(path, plan, buffer)
            except ChangingPackageError as error:
                outcomes[path] = LeftOut(path, None, error)
                if attempt + 1 < limits.READ_ATTEMPTS:
                    continue
            except PackageError as error:
                outcomes[path] = LeftOut(path, stamp if error.lasting and stamp.recordable else None, error)
            else:
                outcomes[path] = indexed
                if signature is not None:
                    signed.append(signature)
                    waiting += signature.size
                    if waiting > limits.BATCH_BYTES:
                        refuse(signed)
                        waiting = 0
            break
    refuse(signed)
    return list(outcomes.values())

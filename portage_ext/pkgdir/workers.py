"""Packages are read by one process per processor, if there are enough packages to be worth starting processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from portage_ext import limits
from portage_ext.pkgdir.entry import Outcome, ReadPlan, read_batch

Progress = Callable[[int, int], None]
"""Called with how many packages of how many are done."""

_plan: ReadPlan | None = None


def _start(plan: ReadPlan) -> None:
    global _plan
    _plan = plan


def _work(paths: Sequence[str]) -> list[Outcome]:
    assert _plan is not None
    return read_batch(paths, _plan)


def _batches(paths: Sequence[str], jobs: int) -> list[Sequence[str]]:
    size = max(1, min(limits.BATCH, len(paths) // (4 * jobs) or 1))
    return [paths[start : start + size] for start in range(0, len(paths), size)]


def read_all(paths: Sequence[str], plan: ReadPlan, jobs: int, progress: Progress) -> Iterator[Outcome]:
    """One outcome for each of ``paths`` that still exists, in no order. Raises what :func:`read_batch` raises."""
    batches = _batches(paths, jobs)
    done = 0
    if jobs == 1 or len(paths) < limits.POOL_FROM:
        for batch in batches:
            yield from read_batch(batch, plan)
            done += len(batch)
            progress(done, len(paths))
        return
    yield from _pooled(batches, len(paths), plan, jobs, progress)


def _pooled(batches: Sequence[Sequence[str]], total: int, plan: ReadPlan, jobs: int, progress: Progress) -> Iterator[Outcome]:
    # Imported here: most runs read a single package and need no pool.
    import multiprocessing
    from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

    done = 0
    # fork: the workers share the imported modules, and this process has no threads yet.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(plan,)) as pool:
        waiting: dict[Future[list[Outcome]], int] = {}
        rest = iter(batches)
        try:
            for batch in rest:
                waiting[pool.submit(_work, batch)] = len(batch)
                if len(waiting) < 3 * jobs:
                    continue
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    done += waiting.pop(future)
                    yield from future.result()
                    progress(done, total)
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    done += waiting.pop(future)
                    yield from future.result()
                    progress(done, total)
        finally:
            for future in waiting:
                future.cancel()

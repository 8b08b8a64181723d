"""Packages are read by one process per processor, if there are enough packages to be worth starting processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from portage_ext import limits
from portage_ext.errors import ChangingPackageError, PackageError, UnacceptedSignatureError
from portage_ext.gpkg.source import HEAD, FileStamp
from portage_ext.pkgdir.entry import Indexed, LeftOut, Outcome, ReadPlan, read_one
from portage_ext.pkgdir.signatures import Signed, check_signatures

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
                outcomes[path] = LeftOut(path, stamp if error.lasting else None, error)
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

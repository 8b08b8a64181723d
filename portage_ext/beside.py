"""Work in a thread that mostly leaves the interpreter to others, such as a C module.

Nothing that changes a file happens in one, only its flush to the disk: the tests that kill a program at each such system
call see only its first thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_Result = TypeVar("_Result")


@contextmanager
def beside(work: Callable[[], _Result], wanted: bool = True) -> Iterator[Callable[[], _Result]]:
    """Yield a function that returns the result of ``work``, or raises its exception; ``work`` runs in a thread if ``wanted``.

    The thread has ended when the block ends.
    """
    if not wanted:
        yield work
        return
    from threading import Thread  # here: most programs have no such work

    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that asks
            errors.append(error)

    def result() -> _Result:
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    thread = Thread(target=run)
    thread.start()
    try:
        yield result
    finally:
        thread.join()

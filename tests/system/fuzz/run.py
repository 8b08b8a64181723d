"""The long part: ``python -m tests.system.fuzz.run SECONDS [reader …]``. Ends with status 1 where it found anything.

What it finds it keeps as a file below ``regressions``, named by its digest: give it a name that says what it shows.
"""

from __future__ import annotations

import hashlib
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from random import Random

from tests.system.fuzz.everything import EVERY, REGRESSIONS
from tests.system.fuzz.judging import FindingError, Target, judge
from tests.system.fuzz.mutations import random_bytes, shrunk


def fuzz(target: Target, seconds: float, number: int = 0) -> tuple[int, FindingError | None]:
    """Judge ``target`` for ``seconds``; how many bytes it read, and what was found first."""
    deadline = time.monotonic() + seconds
    random = Random(number)
    seeds = target.seeds()
    read = 0
    while time.monotonic() < deadline:
        data = random_bytes(random, seeds, target.words, target.mend)
        read += 1
        error = finding(target, data)
        if error is not None:
            _keep(target, shrunk(data, partial(_same, target, str(error)[:40])))
            return read, error
    return read, None


def finding(target: Target, data: bytes) -> FindingError | None:
    try:
        judge(target, data)
    except FindingError as error:
        return error
    return None


def _same(target: Target, begins: str, data: bytes) -> bool:
    return str(finding(target, data) or "").startswith(begins)


def _keep(target: Target, data: bytes) -> None:
    place = REGRESSIONS / target.name
    place.mkdir(parents=True, exist_ok=True)
    (place / f"new-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)


def _named(name: str, seconds: float, number: int) -> tuple[int, str]:
    """In a process of its own: memory and signals are those of one reader."""
    read, error = fuzz(next(target for target in EVERY if target.name == name), seconds, number)
    return read, "" if error is None else str(error)


def main(arguments: list[str]) -> int:
    seconds, names = float(arguments[0]), arguments[1:] or [target.name for target in EVERY]
    unknown = set(names) - {target.name for target in EVERY}
    if unknown:
        raise SystemExit(f"no reader is called {', '.join(sorted(unknown))}; there are {', '.join(one.name for one in EVERY)}")
    found = 0
    with ProcessPoolExecutor(mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        running = [(name, pool.submit(_named, name, seconds, int(time.time()))) for name in names]
        for name, one in running:
            read, error = one.result()
            found += bool(error)
            print(f"{name:16} {read:8} read, {f'FOUND: {error}' if error else 'no finding'}", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["180"]))

"""The graph of a merge list: what making it, a frame, and the files for others cost, in CPU time and memory of this process.

    python -m bench.graph [PACKAGES …]

Each package needs up to eight that come before it in the list; half are done, three run. Making happens once a list. A look
happens once a second in a running emerge: it asks Portage's scheduler (here one with the same fields), writes the state, and
draws a frame. Its share is that of one CPU while emerge runs. Memory is all that a run keeps: plan, picture, what it asks with.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

from portage_ext.config.watching import Watching
from portage_ext.emerge import graph as inside
from portage_ext.graph import record
from portage_ext.graph.line import UNICODE
from portage_ext.graph.picture import Picture
from portage_ext.graph.plan import Kind, Moment, Node, Plan, Running
from portage_ext.limits import views as limits

RUNS = 7


def plan(count: int) -> Plan:
    chance = random.Random(7)
    kinds = (Kind.EBUILD, Kind.EBUILD, Kind.BINARY)
    nodes = tuple(
        Node(f"dev-libs/package{place}-1.{place % 9}", kinds[place % 3], seconds=float(place % 900)) for place in range(count)
    )
    needs = []
    for place in range(count):
        near = {max(0, place - chance.randrange(1, 200)) for _ in range(chance.randrange(9))} if place else set()
        needs.append(tuple(sorted(near - {place})))
    return Plan(nodes, tuple(needs))


def followed(of: Plan) -> inside._Run:
    """A run of emerge in the middle of ``of``."""
    packages = [
        SimpleNamespace(root=one.root, cpv=one.cpv, operation="merge", built=one.kind is Kind.BINARY) for one in of.nodes
    ]
    digraph = _Digraph(packages, dict(zip(map(id, packages), of.needs, strict=True)))
    run = inside._Run(Watching(graph=True))
    run.take(SimpleNamespace(mergelist=packages, graph=digraph))
    middle = len(packages) // 2
    tasks = {one: SimpleNamespace(pkg=packages[middle + one], phase="compile", _current_task=None) for one in range(3)}
    queue = SimpleNamespace(
        running_tasks=(), _task_queue=[SimpleNamespace(pkg=one) for one in packages[middle + 3 : middle + 20]]
    )
    run._scheduler = SimpleNamespace(
        _running_tasks=tasks,
        _completed_tasks=set(map(_Hashed, packages[:middle])),
        _failed_pkgs=[],
        _failed_pkgs_all=[],
        _task_queues=SimpleNamespace(fetch=queue),
        _max_jobs=3,
    )
    return run


class _Digraph:
    def __init__(self, packages: list[SimpleNamespace], needs: dict[int, tuple[int, ...]]) -> None:
        self._packages, self._needs = packages, needs

    def __contains__(self, package: object) -> bool:
        return True

    def child_nodes(self, package: object) -> list[SimpleNamespace]:
        return [self._packages[place] for place in self._needs[id(package)]]


class _Hashed:
    """A completed task, which has the fields of its package."""

    def __init__(self, package: SimpleNamespace) -> None:
        self.root, self.cpv, self.operation = package.root, package.cpv, package.operation


def cpu(work: Callable[[], object]) -> float:
    """Milliseconds, the median of several runs."""
    taken = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return 1000 * statistics.median(taken)


def main() -> None:
    """Measure and print the table."""
    counts = [int(word) for word in sys.argv[1:]] or [500, 2000, 6000, 20_000]
    names = ("make ms", "plan ms", "ask ms", "state ms", "frame ms", "share")
    print(f"{'packages':>9} {'edges':>7} {' '.join(f'{name:>9}' for name in names)} {'MiB':>6}")
    for count in counts:
        of = plan(count)
        tracemalloc.start()
        run, picture = followed(of), Picture(of)
        memory = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        middle = count // 2
        running = tuple(Running(middle + one, "compile", 10.0) for one in range(3))
        moment = Moment(1000.0, running, frozenset(range(middle)), jobs=3)
        make = cpu(partial(Picture, of))
        written = cpu(partial(record.plan_text, of, 1, 1, "list-1"))
        ask = cpu(run._moment)
        state = cpu(partial(record.state_text, moment, 1, 1, "list-1"))
        frame = cpu(partial(picture.lines, moment, 79, 8, UNICODE))
        edges = sum(map(len, of.needs))
        share = (ask + state + frame) / (1000 * limits.WATCH_SECONDS)
        told = " ".join(f"{value:9.2f}" for value in (make, written, ask, state, frame))
        print(f"{count:9d} {edges:7d} {told} {share:9.2%} {memory:6.1f}")


if __name__ == "__main__":
    main()

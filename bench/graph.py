"""The graph of a merge list: what making it, a frame, and the files for others cost, in CPU time and memory of this process.

    python -m bench.graph [PACKAGES …]

Each package needs up to eight that come before it in the list; three run. Making happens once a list, a frame once a second.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

from portage_ext.graph import record
from portage_ext.graph.line import UNICODE
from portage_ext.graph.picture import Picture
from portage_ext.graph.plan import Kind, Moment, Node, Plan, Running

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
    print(f"{'packages':>9} {'edges':>7} {'make ms':>8} {'frame ms':>9} {'plan ms':>8} {'state ms':>9} {'MiB':>6}")
    for count in counts:
        of = plan(count)
        tracemalloc.start()
        picture = Picture(of)
        memory = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        middle = count // 2
        running = tuple(Running(middle + one, "compile", 10.0) for one in range(3))
        moment = Moment(1000.0, running, frozenset(range(middle)), jobs=3)
        figures = (
            cpu(lambda of=of: Picture(of)),
            cpu(lambda picture=picture, moment=moment: picture.lines(moment, 79, 8, UNICODE)),
            cpu(lambda of=of: record.plan_text(of, 1, 1, "list-1")),
            cpu(lambda moment=moment: record.state_text(moment, 1, 1, "list-1")),
        )
        edges = sum(map(len, of.needs))
        made, frame, written, state = figures
        print(f"{count:9d} {edges:7d} {made:8.1f} {frame:9.2f} {written:8.1f} {state:9.2f} {memory:6.1f}")


if __name__ == "__main__":
    main()

"""Which edges say something that no other way through the graph says, and the longest chain.

Linear in packages and edges but for the sets of what is reachable, which are integers with a bit for each package.

Packages on a cycle count as one where they are asked who reaches whom, so no edge of a cycle is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from portage_ext.limits.views import GRAPH_REDUCED


def reduced(needs: Sequence[Sequence[int]]) -> list[list[int]]:
    """``needs`` without the edges that a longer way implies, as it is where there are more packages than GRAPH_REDUCED."""
    if len(needs) > GRAPH_REDUCED:
        return [list(dict.fromkeys(below)) for below in needs]
    cycles = components(needs)
    cycle_of = [0] * len(needs)
    for number, members in enumerate(cycles):
        for one in members:
            cycle_of[one] = number
    reach: list[int] = []
    """For each cycle the bits of those below it, without its own: what is below comes first."""
    kept: list[list[int]] = [[] for _ in needs]
    for number, members in enumerate(cycles):
        whole = 0
        for package in members:
            below = {cycle_of[one] for one in needs[package]} - {number}
            further = 0
            for one in below:
                further |= reach[one]
                whole |= reach[one] | (1 << one)
            kept[package] = [
                one for one in dict.fromkeys(needs[package]) if one != package and not further >> cycle_of[one] & 1
            ]
        reach.append(whole)
    return kept


def components(needs: Sequence[Sequence[int]]) -> list[list[int]]:
    """The strongly connected components (Tarjan 1972), each after all that it needs; without recursion."""
    index, low = [-1] * len(needs), [0] * len(needs)
    on_stack = bytearray(len(needs))
    stack: list[int] = []
    found: list[list[int]] = []
    count = 0
    for start in range(len(needs)):
        if index[start] >= 0:
            continue
        work = [(start, iter(needs[start]))]
        index[start] = low[start] = count
        count += 1
        stack.append(start)
        on_stack[start] = 1
        while work:
            package, left = work[-1]
            for one in left:
                if index[one] < 0:
                    index[one] = low[one] = count
                    count += 1
                    stack.append(one)
                    on_stack[one] = 1
                    work.append((one, iter(needs[one])))
                    break
                if on_stack[one]:
                    low[package] = min(low[package], index[one])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[package])
                if low[package] == index[package]:
                    members: list[int] = []
                    while not members or members[-1] != package:
                        members.append(stack.pop())
                        on_stack[members[-1]] = 0
                    found.append(members)
    return found


def longest_chain(needs: Sequence[Sequence[int]], weight: Callable[[int], float] = lambda package: 1.0) -> list[int]:
    """The chain that weighs most, what is merged first first. Every step is an edge, to a package later in the list."""
    total: list[float] = []
    before: list[int] = []
    for package, below in enumerate(needs):
        earlier = [one for one in below if one < package]
        last = max(earlier, key=lambda one: total[one], default=-1)
        before.append(last)
        total.append(weight(package) + (total[last] if last >= 0 else 0.0))
    chain: list[int] = []
    at = max(range(len(total)), key=lambda one: total[one], default=-1)
    while at >= 0:
        chain.append(at)
        at = before[at]
    return chain[::-1]

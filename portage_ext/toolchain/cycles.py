"""Which edges contradict each other: no order can satisfy all edges of a cycle."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def on_cycle(pairs: Collection[tuple[Node, Node]]) -> frozenset[tuple[Node, Node]]:
    """Those of ``pairs`` (earlier, later) that are part of a cycle, so that no order can satisfy all of them."""
    after: dict[Node, list[Node]] = {}
    before: dict[Node, list[Node]] = {}
    for earlier, later in pairs:
        after.setdefault(earlier, []).append(later)
        before.setdefault(later, []).append(earlier)
    # Strongly connected components (Kosaraju): both ends of an edge on a cycle are in the same component.
    component: dict[Node, int] = {}
    for number, start in enumerate(reversed(_finished(after))):
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if node not in component:
                component[node] = number
                waiting += [one for one in before.get(node, ()) if one not in component]
    return frozenset((earlier, later) for earlier, later in pairs if component[earlier] == component[later])


def _finished(after: Mapping[Node, list[Node]]) -> list[Node]:
    """All nodes in depth-first post-order."""
    left: list[Node] = []
    seen: set[Node] = set()
    for start in after:
        if start in seen:
            continue
        seen.add(start)
        path = [(start, iter(after[start]))]
        while path:
            node, following = path[-1]
            new = next((one for one in following if one not in seen), None)
            if new is None:
                left.append(node)
                path.pop()
            else:
                seen.add(new)
                path.append((new, iter(after.get(new, ()))))
    return left

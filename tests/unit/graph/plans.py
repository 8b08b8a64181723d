"""Plans, moments and sizes, drawn by hypothesis; cycles are among them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from portage_ext.graph.plan import Kind, Moment, Node, Plan, Running

NAMES = ("a", "libfoo", "x" * 60, "qt")


def needs(most: int = 12) -> st.SearchStrategy[list[list[int]]]:
    def of(count: int) -> Any:
        below = st.lists(st.integers(0, count - 1), max_size=4, unique=True) if count else st.nothing()
        return st.lists(below, min_size=count, max_size=count)

    return st.integers(0, most).flatmap(of)


@st.composite
def plans(draw: Any) -> Plan:
    edges = draw(needs())
    nodes = [
        Node(
            f"dev-{draw(st.sampled_from(('a', 'b')))}/{draw(st.sampled_from(NAMES))}{place}-1.{place}",
            draw(st.sampled_from(list(Kind))),
            seconds=draw(st.none() | st.floats(0, 1e5)),
        )
        for place in range(len(edges))
    ]
    return Plan(tuple(nodes), tuple(tuple(one for one in below if one != at) for at, below in enumerate(edges)))


@st.composite
def moments(draw: Any, plan: Plan) -> Moment:
    states = [draw(st.sampled_from(("waiting", "running", "done", "failed"))) for _ in plan.nodes]
    of = {state: [place for place, one in enumerate(states) if one == state] for state in set(states)}
    phases = st.sampled_from(("compile", "install", "fetch", "merge"))
    running = tuple(Running(place, draw(phases), draw(st.floats(0, 1e6)), "/l") for place in of.get("running", ()))
    done, failed = frozenset(of.get("done", ())), frozenset(of.get("failed", ()))
    return Moment(1e6, running, done, failed, tuple(of.get("waiting", ())[:3]), draw(st.integers(0, 4)))

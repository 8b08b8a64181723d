"""What is left out is implied by what is kept, and nothing that is kept is implied by the rest; chains are made of edges."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given

from portage_ext.graph import reduction
from portage_ext.graph.reduction import components, longest_chain, reduced
from tests.unit.graph.plans import needs


def reachable(edges: Sequence[Sequence[int]], start: int) -> set[int]:
    seen, waiting = set[int](), list(edges[start])
    while waiting:
        if (one := waiting.pop()) not in seen:
            seen.add(one)
            waiting += edges[one]
    return seen


@given(needs())
def test_nothing_is_made_up_and_everything_can_still_be_reached(edges: list[list[int]]) -> None:
    kept = reduced(edges)
    for place in range(len(edges)):
        assert set(kept[place]) <= set(edges[place])
        assert reachable(kept, place) - {place} == reachable(edges, place) - {place}


@given(needs())
def test_no_edge_is_left_that_a_longer_way_implies_but_on_cycles(edges: list[list[int]]) -> None:
    kept = reduced(edges)
    for place, below in enumerate(kept):
        for one in below:
            if place in reachable(edges, one):
                continue
            for other in below:
                around = one in reachable(edges, other) and other not in reachable(edges, one)
                assert other == one or place in reachable(edges, other) or not around


@given(needs())
def test_components_are_those_that_reach_each_other_and_come_after_what_they_need(edges: list[list[int]]) -> None:
    found = components(edges)
    assert sorted(one for members in found for one in members) == list(range(len(edges)))
    seen = set[int]()
    for members in found:
        for one in members:
            assert {other for other in reachable(edges, one) if one in reachable(edges, other)} - {one} == set(members) - {one}
            assert set(edges[one]) <= seen | set(members)
        seen |= set(members)


@given(needs())
def test_each_step_of_the_longest_chain_is_an_edge_in_merge_order(edges: list[list[int]]) -> None:
    chain = longest_chain(edges)
    assert all(earlier in edges[later] and earlier < later for earlier, later in pairwise(chain))
    assert bool(chain) == bool(edges)


def test_a_diamond_keeps_its_sides_and_loses_its_shortcut() -> None:
    assert reduced([[], [0], [0], [1, 2, 0]]) == [[], [0], [0], [1, 2]]


def test_a_list_that_is_too_long_to_be_reduced_is_shown_as_it_is() -> None:
    count = reduction.GRAPH_REDUCED + 1
    edges = [[], [0], [1, 0], *([] for _ in range(count - 3))]
    assert reduced(edges)[2] == [1, 0]


def test_a_chain_deeper_than_pythons_stack() -> None:
    edges = [[place - 1] if place else [] for place in range(5000)]
    assert reduced(edges) == edges
    assert longest_chain(edges) == list(range(5000))

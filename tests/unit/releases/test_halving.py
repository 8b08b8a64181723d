"""The first bad step is found in few tests, and never named wrongly because a step could not be tested."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from portage_ext.releases.halving import Found, Verdict, first_bad


@given(st.data())
def test_the_first_bad_step_in_at_most_so_many_tests(data: st.DataObject) -> None:
    last = data.draw(st.integers(1, 200))
    bad = data.draw(st.integers(1, last))
    tested: list[int] = []

    def test(step: int) -> Verdict:
        tested.append(step)
        return Verdict.BAD if step >= bad else Verdict.GOOD

    assert first_bad(last, test) == Found(bad - 1, bad)
    assert len(tested) == len(set(tested)) <= math.ceil(math.log2(last))
    assert all(0 < step < last for step in tested)


@given(st.data())
def test_skipped_steps_widen_the_answer_and_do_not_falsify_it(data: st.DataObject) -> None:
    last = data.draw(st.integers(1, 40))
    bad = data.draw(st.integers(1, last))
    broken = data.draw(st.sets(st.integers(1, last)))

    def test(step: int) -> Verdict:
        if step in broken:
            return Verdict.SKIPPED
        return Verdict.BAD if step >= bad else Verdict.GOOD

    found = first_bad(last, test)
    assert found.good < bad <= found.bad
    assert set(range(found.good + 1, found.bad)) <= broken
    assert found.exact == (found.bad == found.good + 1)


def test_neighbours_need_no_test() -> None:
    assert first_bad(1, lambda step: Verdict.SKIPPED) == Found(0, 1)

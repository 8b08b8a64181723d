"""What is written is read as it was; what anybody else wrote is a named error or a value within bounds."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors.watching import WatchFileError
from portage_ext.graph import record
from portage_ext.graph.plan import Moment, Node, Plan, Running
from tests.unit.graph.plans import moments, plans

PLAN = Plan((Node("dev-libs/a-1"), Node("dev-libs/b-1")), ((), (0,)))
MOMENT = Moment(5.0, (Running(1, "compile", 3.0, "/log"),), frozenset({0}), frozenset(), (1,), 2)


@given(st.data(), plans())
def test_what_is_written_is_read(data: st.DataObject, plan: Plan) -> None:
    assert record.plan_of(record.plan_text(plan, 7, 9, "list-1"), "p") == (plan, 7, 9, "list-1")
    moment = data.draw(moments(plan))
    read, *rest = record.state_of(record.state_text(moment, 7, 9, "list-1"), "s", len(plan.nodes))
    assert rest == [7, 9, "list-1"]
    assert (read.done, read.failed, read.fetching, read.jobs) == (moment.done, moment.failed, moment.fetching, moment.jobs)
    assert [(one.package, one.phase, one.log) for one in read.running] == [
        (one.package, one.phase, one.log) for one in moment.running
    ]


HOSTILE = {
    "another format": ("format", 2),
    "no process": ("pid", None),
    "a package without a category": ("packages", [["x", "ebuild", "/", None]]),
    "a name with an escape": ("packages", [["a/b\033[2J", "ebuild", "/", None], ["a/c-1", "ebuild", "/", None]]),
    "a kind of its own": ("packages", [["a/b", "other", "/", None], ["a/c-1", "ebuild", "/", None]]),
    "endless seconds": ("packages", [["a/b", "ebuild", "/", float("inf")], ["a/c-1", "ebuild", "/", None]]),
    "an edge out of the list": ("needs", [[], [2]]),
    "a negative edge": ("needs", [[], [-1]]),
    "true for an edge": ("needs", [[], [True]]),
    "fewer edges than packages": ("needs", [[]]),
    "no lists": ("needs", {}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_plan_that_is_otherwise_is_an_error(name: str) -> None:
    key, value = HOSTILE[name]
    plan = json.loads(record.plan_text(PLAN, 1, 2, "list-1"))
    with pytest.raises(WatchFileError):
        record.plan_of(json.dumps(plan | {key: value}).encode(), "p")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("running", [[5, "compile", 1, ""]]),
        ("running", [[0, "com\npile", 1, ""]]),
        ("running", [[0, "compile", "x", ""]]),
        ("running", [[0, "compile"]]),
        ("done", [9]),
        ("done", 3),
        ("taken", "now"),
        ("jobs", -1),
        ("plan", "a b"),
    ],
)
def test_a_state_that_is_otherwise_is_an_error(key: str, value: object) -> None:
    state = json.loads(record.state_text(MOMENT, 1, 2, "list-1"))
    with pytest.raises(WatchFileError):
        record.state_of(json.dumps(state | {key: value}).encode(), "s", 2)


@given(st.binary(max_size=60) | st.text(alphabet='[]{}":,0123e', max_size=60).map(str.encode))
def test_no_bytes_escape_the_named_error(data: bytes) -> None:
    for read in (lambda: record.plan_of(data, "p"), lambda: record.state_of(data, "s", 3)):
        with pytest.raises(WatchFileError):
            read()


def test_a_process_is_named_by_when_it_began() -> None:
    assert record.began(os.getpid()) == record.began(os.getpid()) is not None
    assert record.began(2**30) is None

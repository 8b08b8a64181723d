"""A record does what a frozen dataclass with slots does; only what making its class costs differs."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import ClassVar

import pytest

from portage_ext import records
from portage_ext.records import field, record, replace


@record
class Point:
    x: int
    y: int = 2
    marks: list[str] = field(default_factory=list)
    secret: str = field(default="", repr=False)
    KIND: ClassVar[str] = "point"

    @property
    def both(self) -> int:
        return self.x + self.y


@dataclasses.dataclass(frozen=True, slots=True)
class Peer:
    x: int
    y: int = 2
    marks: list[str] = dataclasses.field(default_factory=list)
    secret: str = dataclasses.field(default="", repr=False)
    KIND: ClassVar[str] = "point"


@record(order=True)
class Version:
    major: int
    minor: int = 0


@record(frozen=False)
class Counter:
    count: int = 0


@record(eq=False)
class Own:
    name: str


@record
class Even:
    value: int

    def __post_init__(self) -> None:
        if self.value % 2:
            raise ValueError(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Even)


@record
class Nothing:
    pass


def test_it_takes_arguments_and_defaults_as_a_dataclass() -> None:
    for values in ((1,), (1, 3), (1, 3, ["a"], "s")):
        assert dataclasses.astuple(Point(*values)) == dataclasses.astuple(Peer(*values))  # type: ignore[arg-type]
    assert Point(x=1, y=5).both == 6
    assert Point(1).marks is not Point(1).marks
    assert Point.KIND == Peer.KIND
    assert Nothing() == Nothing()
    for kind in (Point, Peer):
        for wrong in ((), (1, 2, [], "", 5)):
            with pytest.raises(TypeError):
                kind(*wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            kind(1, z=5)  # type: ignore[call-arg]


def test_it_is_shown_as_a_dataclass() -> None:
    assert repr(Point(1, secret="no")) == repr(Peer(1, secret="no")).replace("Peer", "Point")
    assert repr(Nothing()) == "Nothing()"


def test_it_is_equal_by_its_values_and_only_to_its_own_kind() -> None:
    assert Point(1) == Point(1) != Point(2)
    assert Point(1) != Peer(1)  # type: ignore[comparison-overlap]
    assert hash(Version(1)) == hash(Version(1, 0))
    assert len({Version(1), Version(1), Version(2)}) == 2
    assert Own("a") != Own("a")
    assert hash(Own("a")) != 0
    assert Counter() == Counter()
    with pytest.raises(TypeError):
        hash(Counter())


def test_it_is_ordered_where_it_says_so() -> None:
    assert sorted([Version(2), Version(1, 5), Version(1)]) == [Version(1), Version(1, 5), Version(2)]
    assert Version(1) <= Version(1) < Version(2) > Version(1, 9) >= Version(1, 9)
    with pytest.raises(TypeError):
        _ = Point(1) < Point(2)  # type: ignore[operator]


def test_it_cannot_be_changed_and_has_no_other_attributes() -> None:
    made = Point(1)
    changes: list[Callable[[], None]] = [
        lambda: setattr(made, "x", 2),
        lambda: setattr(made, "z", 2),
        lambda: delattr(made, "x"),
    ]
    for change in changes:
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    counter = Counter()
    counter.count += 1
    assert counter == Counter(1)
    with pytest.raises(AttributeError):
        counter.other = 1  # type: ignore[attr-defined]


def test_its_own_methods_stay() -> None:
    assert Even(2) == Even(4)
    with pytest.raises(ValueError, match="3"):
        Even(3)


def test_it_is_pickled_and_copied() -> None:
    made = Point(1, 2, ["a"], "s")
    for other in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made), copy.copy(made)):
        assert other == made
        assert other is not made


def test_dataclasses_knows_it() -> None:
    made = Point(1, marks=["a"])
    assert dataclasses.is_dataclass(made)
    assert dataclasses.asdict(made) == dataclasses.asdict(Peer(1, marks=["a"]))
    assert [(one.name, one.repr) for one in dataclasses.fields(Point)] == [
        (one.name, one.repr) for one in dataclasses.fields(Peer)
    ]
    assert dataclasses.replace(made, y=7) == records.replace(made, y=7) == Point(1, 7, ["a"])
    for replaced in (dataclasses.replace, records.replace):
        with pytest.raises(TypeError):
            replaced(made, z=7)
    match made:
        case Point(x, y):
            assert (x, y) == (1, 2)
    assert Point.__qualname__ == "Point"
    assert Point.__module__ == __name__


def test_a_value_that_cannot_be_hashed_says_so_as_in_a_dataclass() -> None:
    for made in (Point(1), Peer(1)):
        with pytest.raises(TypeError, match="unhashable"):
            hash(made)


def test_it_does_without_dataclasses() -> None:
    program = """
import sys
from portage_ext.records import record
record(type("One", (), {"__annotations__": {"a": "int"}, "__module__": "m"}))(1)
assert not {"dataclasses", "inspect"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_the_first_object_would_compile_can_be_compiled_before() -> None:
    @record
    class One:
        a: int
        b: str = "b"

    first = One.__init__
    records.ready()
    assert One.__init__ is not first
    compiled = One.__init__
    records.ready()
    assert One(1) == One(1, "b")
    assert One.__init__ is compiled


@record(eq=False)
class Remembering:
    name: str
    _known: list[str] = field(default_factory=list, init=False)


def test_a_value_that_no_argument_gives_begins_anew_in_each_object() -> None:
    first = Remembering("a")
    first._known.append("x")
    assert replace(first, name="b")._known == dataclasses.replace(first, name="b")._known == []
    assert [one.name for one in dataclasses.fields(first) if not one.init] == ["_known"]  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Remembering("a", [])  # type: ignore[call-arg]

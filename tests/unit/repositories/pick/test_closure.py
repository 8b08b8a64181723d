"""Listed packages bring what they need and nobody else has, each with who needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from portage_ext.errors.repositories import RepositoryError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.cache import Metadata
from portage_ext.repositories.pick.closure import closure
from portage_ext.repositories.pick.needs import Need
from portage_ext.repositories.pick.packages import Package


class World:
    """An overlay in memory: RDEPEND of each package. A need of a version that is not 1 is not met."""

    def __init__(self, overlay: Mapping[str, str], elsewhere: Iterable[str] = ()) -> None:
        self.overlay = overlay
        self.others = set(elsewhere)
        self.loads: list[list[str]] = []

    def has(self, cp: str) -> bool:
        return cp in self.overlay

    def load(self, wanted: Iterable[str]) -> dict[str, Package]:
        self.loads.append(sorted(wanted))
        entry = {cp: Metadata({"RDEPEND": self.overlay[cp]}, "", {}) for cp in self.loads[-1] if cp in self.overlay}
        return {cp: Package(cp, {}, {f"{cp}-1": metadata}) for cp, metadata in entry.items()}

    def elsewhere(self, atom: str) -> bool:
        return Need(atom).cp in self.others

    def matches(self, atom: str, package: Package) -> bool:
        return "-2" not in atom


def test_needs_come_in_rounds_with_who_asked() -> None:
    world = World({"a/a": "b/b c/c", "b/b": "d/d", "d/d": "a/a", "x/x": ""}, ["c/c"])
    found = closure(["a/a"], world)
    assert set(found.packages) == {"a/a", "b/b", "d/d"}
    assert found.needed_by == {"b/b": {"a/a"}, "d/d": {"b/b"}, "a/a": {"d/d"}}
    assert found.missing == {}
    assert world.loads == [["a/a"], ["b/b"], ["d/d"]]


def test_what_nobody_has_is_missing_for_who_asked_for_it() -> None:
    found = closure(["a/a", "b/b"], World({"a/a": "none/none", "b/b": "none/none"}))
    assert found.missing == {"none/none": {"a/a", "b/b"}}


def test_a_choice_is_not_missing_while_something_answers_it() -> None:
    found = closure(["a/a"], World({"a/a": "|| ( none/none b/b ) || ( none/more none/other )", "b/b": ""}))
    assert set(found.packages) == {"a/a", "b/b"}
    assert set(found.missing) == {"none/more", "none/other"}


def test_a_package_of_which_no_version_is_asked_for_is_not_taken() -> None:
    found = closure(["a/a"], World({"a/a": ">=b/b-2", "b/b": "c/c", "c/c": ""}))
    assert set(found.packages) == {"a/a"}
    assert found.missing == {">=b/b-2": {"a/a"}}


def test_more_than_anybody_means_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PICKED_PACKAGES", 2)
    with pytest.raises(RepositoryError, match="more than 2 packages"):
        closure(["a/a"], World({"a/a": "b/b", "b/b": "c/c", "c/c": ""}))

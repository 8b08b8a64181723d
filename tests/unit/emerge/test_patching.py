"""What belongs together is replaced together or not at all, and what was there stays within reach."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from portage_ext.emerge import patching
from portage_ext.emerge.patching import Patch


def louder(original: Callable[[], str]) -> Callable[[], str]:
    return lambda: original().upper()


@pytest.fixture
def portage() -> Any:
    return SimpleNamespace(one=lambda: "one", two=lambda: "two", names=frozenset({"A"}))


def test_functions_and_values_are_replaced_once(portage: Any) -> None:
    one = portage.one
    patches = (Patch(portage, "one", louder), Patch(portage, "names", lambda names: names | {"B"}))
    assert patching._replace(patches) == [one, {"A"}]
    assert (portage.one(), portage.names) == ("ONE", {"A", "B"})
    assert portage.one._portage_ext_original is one


@pytest.mark.parametrize("second", ["missing", "two"])
def test_all_or_none(portage: Any, second: str) -> None:
    def fails(original: Any) -> Any:
        raise KeyError("boom")

    before = dict(vars(portage))
    with pytest.raises((AttributeError, KeyError)):
        patching.apply((Patch(portage, "one", louder), Patch(portage, second, fails)))
    assert vars(portage) == before


def test_for_a_while_means_also_when_it_fails(portage: Any) -> None:
    before = dict(vars(portage))

    def fails() -> None:
        with patching.applied([Patch(portage, "one", louder), Patch(portage, "two", louder)]):
            assert portage.one() + portage.two() == "ONETWO"
            raise KeyError("boom")

    with pytest.raises(KeyError):
        fails()
    assert vars(portage) == before


def test_two_of_ours_on_one_function_lead_to_the_same_original(portage: Any) -> None:
    original = portage.one
    with patching.applied([Patch(portage, "one", louder)]), patching.applied([Patch(portage, "one", louder)]):
        assert portage.one._portage_ext_original is original
    assert portage.one is original

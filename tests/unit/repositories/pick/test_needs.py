"""Every branch of a dependency counts, blockers do not, and what stands for each other is known to."""

from __future__ import annotations

import pytest

from portage_ext.repositories.cache import Metadata
from portage_ext.repositories.pick.needs import Need, needs, parse


def test_every_branch_counts_and_blockers_do_not() -> None:
    text = "a/a x? ( >=b/b-1:2= !y? ( c/c[z,-y(+)] ) ) !d/d !!e/e || ( f/f ( g/g h/h ) || ( i/i ) ) j/j"
    assert list(parse(text)) == [
        Need("a/a"), Need(">=b/b-1:2="), Need("c/c"), Need("f/f", 1), Need("g/g", 1), Need("h/h", 1), Need("i/i", 1),
        Need("j/j"),
    ]  # fmt: skip


def test_choices_of_several_keys_are_different_ones() -> None:
    entry = Metadata({"DEPEND": "|| ( a/a b/b )", "RDEPEND": "|| ( c/c ) || ( d/d )"}, "", {})
    assert {one.choice for one in needs(entry)} == {1, 2, 3}


@pytest.mark.parametrize(
    ("atom", "cp"),
    [("a/b", "a/b"), (">=a/b-1.2_rc1-r3:0/2=", "a/b"), ("=a/b-1*", "a/b"), ("~a/b-c-1", "a/b-c"), ("a/b-2d:*", "a/b-2d"),
     ("<a/b-2d-1", "a/b-2d"), ("a", ""), ("a/b/c", "")],
)  # fmt: skip
def test_the_name_in_an_atom(atom: str, cp: str) -> None:
    assert Need(atom).cp == cp


@pytest.mark.parametrize("text", [") ) (", "|| ||", "( (", "x? x? )", "||"])
def test_damaged_expressions_do_no_harm(text: str) -> None:
    assert list(parse(text)) == []

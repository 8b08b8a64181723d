"""Two dependency expressions are one exactly when Portage makes the same of both."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.trust.expressions import normal
from tests.testkit.expressions import TEXTS

NOTHING = frozenset[str]()


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("a b", "a b"),
        ("|| ( a b )", "|| ( a b )"),
        ("|| ( a )", "a"),
        ("( a ( b ) )", "a b"),
        ("|| ( a || ( b c ) )", "|| ( a b c )"),
        ("|| ( ( a b ) c )", "|| ( ( a b ) c )"),
        ("|| ( ( || ( a b ) ) c )", "|| ( a b c )"),
        ("|| ( x? ( a ) b )", "b"),
        ("|| ( x? ( a ) )", "__const__/empty-any-of"),
        ("|| ( ( x? ( a ) ) b )", "b"),
        ("x? ( || ( a b ) )", ""),
        ("!x? ( a y? ( b ) )", "a b"),
        ("a ( x? ( b ) )", "a"),
        ("", ""),
    ],
)
def test_groups_and_conditionals(text: str, form: str) -> None:
    assert " ".join(normal(text, frozenset({"y"}), atoms=False)) == form


@pytest.mark.parametrize(
    ("atom", "evaluated"),
    [
        ("a/b[y?]", "a/b[y]"),
        ("a/b[x?]", "a/b"),
        ("a/b[!x?,z]", "a/b[-x,z]"),
        ("a/b[!y?]", "a/b"),
        (">=a/b-1:0/2=[x=,!y=]", ">=a/b-1:0/2=[-x,-y]"),
        ("a/b[x(+)=]", "a/b[-x(+)]"),
        ("a/b:0::r[y?]", "a/b:0[y]"),
        ("a/b::r[y]", "a/b::r[y]"),
        ("a/b[-y?]", "a/b[-y?]"),
    ],
)
def test_conditionals_of_atoms(atom: str, evaluated: str) -> None:
    assert normal(atom, frozenset({"y"}), atoms=True) == (evaluated,)
    assert normal(atom, frozenset({"y"}), atoms=False) == (atom,)


@pytest.mark.parametrize(
    "text", ["(", ")", "( )", "|| ( )", "|| a", "||", "x?", "x? a", "x? ( )", "?? ( a )", "a -> b", "( a", "|| ) ("]
)
def test_what_portage_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"out of place|complete|USE flag"):
        normal(text, NOTHING, atoms=False)


def test_depth_is_no_danger() -> None:
    deep = 3 * sys.getrecursionlimit()
    assert normal("( " * deep + "a" + " )" * deep, NOTHING, atoms=True) == ("a",)
    alternating = "|| ( a ( b " * deep + "c" + " ) )" * deep
    assert normal(alternating, NOTHING, atoms=True) == tuple(alternating.split())


@given(TEXTS | st.text(max_size=30))
def test_no_text_escapes(text: str) -> None:
    for atoms in (False, True):
        try:
            form = normal(text, frozenset({"x"}), atoms=atoms)
        except ValueError:
            continue
        assert normal(" ".join(form), frozenset({"x"}), atoms=atoms) == form

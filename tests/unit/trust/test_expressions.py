"""Two dependency expressions are one exactly when Portage makes the same of both."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.trust.expressions import normal
from tests.system.index import sandbox
from tests.testkit import differential
from tests.testkit.environments import SUPPORTED

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


WORDS = ("a/b", ">=a/b-1:0/1=", "!!a/c", "a/b[x]", "a/b[x?]", "a/b[!x?,y(-)=]", "a/b[!y=]", "a/b:0::r[y?]", "=a/b-1*", "~a/d-2")
OPEN = ("(", "(", "|| (", "|| (", "x? (", "!x? (", "y-y? (")
WHOLE = st.recursive(
    st.sampled_from(WORDS),
    lambda inner: st.tuples(st.sampled_from(OPEN), st.lists(inner, min_size=1, max_size=4)).map(
        lambda parts: f"{parts[0]} {' '.join(parts[1])} )"
    ),
    max_leaves=14,
)
LOOSE = st.sampled_from((*WORDS, "(", ")", "(", ")", "||", "x?", "!y-y?", "->", "?", "!?", "??", "é?", "!!x?"))
TEXTS = st.lists(WHOLE, max_size=4).map(" ".join) | WHOLE | st.lists(LOOSE, max_size=9).map(" ".join)
CASES = st.tuples(TEXTS, st.lists(st.sampled_from(("x", "y", "y-y")), unique=True), st.booleans())
SCRIPT = """
import json, sys
from portage.dep import Atom, paren_enclose, use_reduce
from portage.exception import InvalidDependString

def stages(text, use, atoms):
    found = []
    try:
        while not found or found[-1] != text:
            text = found[-1] if found else text
            found.append(paren_enclose(use_reduce(text, uselist=use, token_class=Atom if atoms else None)))
    except InvalidDependString:
        assert not found
    return found

print(json.dumps([stages(*case) for case in json.load(open(sys.argv[1]))]))
"""


@pytest.mark.parametrize("version", SUPPORTED)
def test_differential_with_portages_use_reduce(work: Path, version: str) -> None:
    """What Portage makes of a text once (as its index has it), twice (as it has others), or until nothing changes."""
    cases = differential.drawn(CASES)
    root = sandbox.make_root(work, version=version)
    refused = 0
    for (text, use, atoms), stages in zip(cases, differential.answers(root, SCRIPT, cases), strict=True):
        try:
            ours = " ".join(normal(text, frozenset(use), atoms=atoms))
        except ValueError:
            assert not stages, text
            refused += 1
            continue
        assert stages, text
        assert ours == stages[-1], text
        assert {" ".join(normal(one, frozenset(use), atoms=atoms)) for one in stages} == {ours}, text
    assert 0 < refused < len(cases) / 2


@given(TEXTS | st.text(max_size=30))
def test_no_text_escapes(text: str) -> None:
    for atoms in (False, True):
        try:
            form = normal(text, frozenset({"x"}), atoms=atoms)
        except ValueError:
            continue
        assert normal(" ".join(form), frozenset({"x"}), atoms=atoms) == form

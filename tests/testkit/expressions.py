"""Dependency expressions for hypothesis: whole ones, as ebuilds have them, and words in any order."""

from __future__ import annotations

from hypothesis import strategies as st

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

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors import InvalidCpvError
from portage_ext.model import Cpv, Hasher


@pytest.mark.parametrize(
    ("text", "pn", "pvr"),
    [
        ("app-misc/foo-1", "foo", "1"),
        ("app-misc/foo-bar-1.0-r0", "foo-bar", "1.0-r0"),
        ("x11-libs/gtk+-3.24_rc1_p2-r12", "gtk+", "3.24_rc1_p2-r12"),
        ("sys-apps/2bwm-9999", "2bwm", "9999"),
        ("a.b+c/x_y-3b", "x_y", "3b"),
    ],
)
def test_a_version_is_split_by_the_rules_of_pms(text: str, pn: str, pvr: str) -> None:
    cpv = Cpv.parse(text)
    assert (cpv.pn, cpv.pvr, str(cpv)) == (pn, pvr, text)
    assert cpv.cp == text[: -len(pvr) - 1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "foo-1",
        "a/b",
        "a/b-",
        "a/-1",
        "/b-1",
        "-a/b-1",
        "a/b-1-2",
        "a/b-1-2-r1",
        "a/b/c-1",
        "a/b-1\n",
        "é/b-1",
        "a/b-1.",
        "../b-1",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidCpvError):
        Cpv.parse(text)


@given(st.text(max_size=30))
def test_a_text_is_a_version_or_refused(text: str) -> None:
    try:
        assert str(Cpv.parse(text)) == text
    except InvalidCpvError:
        return


@given(st.lists(st.binary(max_size=300)))
def test_digests_of_pieces_are_those_of_the_whole(pieces: list[bytes]) -> None:
    by_piece, whole = Hasher(), Hasher()
    for piece in pieces:
        by_piece.update(piece)
    whole.update(b"".join(pieces))
    assert by_piece.values() == whole.values()
    assert by_piece.size == whole.size

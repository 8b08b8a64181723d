"""What a terminal can show, by its locale and not by Python's opinion of it."""

from __future__ import annotations

import pytest

from portage_ext.graph.estimate import clock, span
from portage_ext.graph.line import ASCII, UNICODE, listed, signs


@pytest.mark.parametrize(
    ("environment", "unicode"),
    [
        ({}, False),
        ({"LANG": "C"}, False),
        ({"LANG": "en_US.utf8"}, True),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),  # Python's own doing (PEP 538)
        ({"LC_CTYPE": "C.UTF-8"}, False),
        ({"LANG": "de_DE.ISO-8859-1"}, False),
        ({"LANG": "en_US.utf8", "TERM": "linux"}, False),
    ],
)
def test_signs_are_what_the_locale_has(environment: dict[str, str], unicode: bool) -> None:
    assert signs(environment) is (UNICODE if unicode else ASCII)


def test_every_sign_is_one_column_and_ascii_is_ascii() -> None:
    for sign in (ASCII, UNICODE):
        values = [getattr(sign, name) for name in sign.__slots__]
        assert {len(value) for value in values} == {1}
    assert all(getattr(ASCII, name).isascii() for name in ASCII.__slots__)


def test_a_list_of_names_is_cut_between_names() -> None:
    assert listed(["zlib", "glib", "pango"], 80) == "zlib, glib, pango"
    assert listed(["zlib", "glib", "pango"], 13) == "zlib, glib +1"
    assert listed(["zlib", "glib", "pango"], 12) == "zlib +2"
    assert listed(["zlib", "glib", "pango"], 3) == "+3"
    assert listed([], 3) == ""


def test_times_are_read_at_a_glance() -> None:
    assert [clock(one) for one in (0, 61, 3599, 3600, 45296)] == ["0:00", "1:01", "59:59", "1:00:00", "12:34:56"]
    assert [span(one) for one in (5, 59.6, 3500, 3599, 7500)] == ["5 s", "1 min", "58 min", "1 h 00 min", "2 h 05 min"]

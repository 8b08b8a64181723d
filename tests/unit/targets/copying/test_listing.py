"""A listing is foreign: what could lead out of a layer or is out of bounds is refused. A layer is named by content alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from portage_ext.errors.builds import CaptureError
from portage_ext.targets.copying.listing import Entry, Left, check, digest, parse

FILE = Entry("state", "usr/bin/thing", "f", 0o755, 0, 0, 1_700_000_000, 5, "ab" * 32)
LINK = Entry("state", "usr/bin/link", "l", 0o777, 0, 0, 0, 0, "thing")


def directory(path: str) -> Entry:
    return Entry("state", path, "d", 0o755, 0, 0, 0, 0, "")


TREE = [directory("usr"), directory("usr/bin"), FILE, LINK]


@pytest.mark.parametrize("entry", [*TREE, Left("etc/x", "why")])
def test_what_is_emitted_is_parsed(entry: Entry | Left) -> None:
    assert parse(entry.emit().encode(), "host") == entry


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "top"),
        (1, "usr/../etc/x"),
        (1, 7),
        (2, "c"),
        (3, 0o4755),
        (4, -1),
        (5, True),
        (6, 2**60),
        (7, 2**60),
        (8, "short"),
        (8, None),
    ],
)
def test_a_line_with_another_value_is_refused(place: int, value: Any) -> None:
    values = json.loads(FILE.emit())
    values[place] = value
    with pytest.raises(CaptureError):
        parse(json.dumps(values).encode(), "host")


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'["left", 1, "x"]', b"null"])
def test_a_damaged_line_is_refused(line: bytes) -> None:
    with pytest.raises(CaptureError):
        parse(line, "host")


def test_a_link_without_a_target_is_refused() -> None:
    with pytest.raises(CaptureError):
        parse(replace(LINK, value="").emit().encode(), "host")


def test_nothing_leads_through_a_link_of_any_layer() -> None:
    check(TREE, "host")
    through = [*TREE, replace(FILE, path="usr/bin/link/x", layer="base")]
    with pytest.raises(CaptureError, match="not as a directory"):
        check(through, "host")
    with pytest.raises(CaptureError, match="two kinds"):
        check([*TREE, replace(directory("usr/bin/link"), layer="base")], "host")


def test_too_much_is_refused() -> None:
    with pytest.raises(CaptureError, match="bytes"):
        check([*TREE, *(replace(FILE, path=f"usr/bin/{number}", size=2**36) for number in range(2))], "host")


def test_the_name_of_a_layer_is_its_content() -> None:
    assert digest(TREE) == digest(reversed([replace(one, layer="base") for one in TREE]))
    for changed in (
        replace(FILE, mode=0o644),
        replace(FILE, mtime=1),
        replace(FILE, value="cd" * 32),
        replace(FILE, path="usr/bin/x"),
    ):
        assert digest([*TREE[:2], changed, LINK]) != digest(TREE)

"""Every line of an index means what Portage's reader takes it for, and no index is read without end."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext import limits
from portage_ext.errors import InvalidEntryError, InvalidIndexError
from portage_ext.index import keys
from portage_ext.index.blocks import Row, arrange, cut, make_block
from portage_ext.index.stamp import next_timestamp, parse_timestamp
from portage_ext.index.text import emit_header, parse_index, read_header
from portage_ext.model import IndexEntry

KEYS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=12).filter(lambda key: key not in keys.IN_TEXT)
VALUES = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.dictionaries(KEYS, VALUES, min_size=1), st.lists(st.dictionaries(KEYS, VALUES)))
def test_what_is_written_is_read_back(header: dict[str, str], entries: list[dict[str, str]]) -> None:
    entries = [{**entry, "CPV": "a/b-1"} for entry in entries]
    text = emit_header(header) + b"".join(emit_header(entry) for entry in entries)
    found, rest = parse_index(io.BytesIO(text))
    assert found == header
    assert [dict(entry.values) for entry in rest] == entries


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        header, entries = parse_index(io.BytesIO(data))
        assert isinstance(header, dict)
        for entry in entries:
            assert entry.get("CPV")
    except InvalidIndexError:
        pass


def test_an_inner_name_of_portage_is_the_name_in_the_text() -> None:
    text = b"repository: tiny\n\nCPV: a/b-1\n_mtime_: 5\nDESCRIPTION: x\nrepository: y\n\n"
    header, entries = parse_index(io.BytesIO(text))
    assert header == {"REPO": "tiny"}
    (entry,) = entries
    assert entry.values == {"CPV": "a/b-1", "MTIME": "5", "DESC": "x", "REPO": "y"}
    assert not entry.twice


@pytest.mark.parametrize(
    ("lines", "twice"),
    [
        ("SLOT: 1\nSLOT: 2", {"SLOT"}),
        ("SLOT: 1\nSLOT: 1", {"SLOT"}),
        ("SLOT:\nSLOT: 2", {"SLOT"}),
        ("REPO: a\nrepository: b", {"REPO"}),
        ("repository: b\nREPO: a", {"REPO"}),
        ("_mtime_: 1\nMTIME: 2\nDESC: a\nDESCRIPTION: b", {"MTIME", "DESC"}),
        ("CPV: a/c-1", {"CPV"}),
        ("FUTURE: 1\nFUTURE: 2", set()),
        ("SLOT : 1\nSLOT: 2\n SLOT: 3", set()),
    ],
)
def test_a_key_twice_is_noted_under_either_of_its_names(lines: str, twice: set[str]) -> None:
    (entry,) = parse_index(io.BytesIO(f"VERSION: 0\n\nCPV: a/b-1\n{lines}\n\n".encode()))[1]
    assert entry.twice == twice


@pytest.mark.parametrize(
    "lines", ["CHOST: a\nCHOST: b", "REPO: a\nrepository: b", "URI: a\nURI: b", "USE_EXPAND_VALUES_A: 1\n" * 2]
)
def test_a_key_twice_in_the_header_is_refused(lines: str) -> None:
    for read in (parse_index, read_header):
        with pytest.raises(InvalidIndexError, match="twice"):
            read(io.BytesIO(f"{lines}\n\n".encode()))


def test_a_header_of_which_nobody_knows_the_keys_may_say_them_twice() -> None:
    """A value of several lines, such as one from the builder's environment, is read as further keys."""
    text = b"GENTOO_MIRRORS: http://a\nhttp://b\nhttp://c\nVERSION: 0\n\n"
    assert read_header(io.BytesIO(text)) == {"GENTOO_MIRRORS": "http://a", "http": "/c", "VERSION": "0"}


@pytest.mark.parametrize("block", ["SLOT: 1", "CPV:", "CPV: ", "FUTURE: 1", "TIMESTAMP: 1\nPACKAGES: 5"])
def test_a_second_header_or_an_entry_without_a_name_is_refused(block: str) -> None:
    """Portage passes over it, or ends there, depending on whether its version knows one of the keys."""
    with pytest.raises(InvalidIndexError, match="without CPV"):
        list(parse_index(io.BytesIO(f"VERSION: 0\n\nCPV: a/b-1\n\n{block}\n\nCPV: a/c-1\n\n".encode()))[1])


@pytest.mark.parametrize("end", ["", "\n", "no colon\n", "\nCPV: a/c-1\n", "no colon\n\nCPV: a/c-1\n"])
def test_an_empty_entry_ends_the_index_as_it_does_for_portage(end: str) -> None:
    (entry,) = parse_index(io.BytesIO(f"VERSION: 0\n\nCPV: a/b-1\n\n{end}".encode()))[1]
    assert entry.get("CPV") == "a/b-1"


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INDEX_LINE", 1000)
    with pytest.raises(InvalidIndexError, match="line"):
        parse_index(io.BytesIO(b"CPV: " + b"x" * 2000))


def test_an_entry_with_keys_without_end_is_refused() -> None:
    text = b"VERSION: 0\n\nCPV: a/b-1\n" + b"".join(b"K%d: x\n" % number for number in range(limits.INDEX_KEYS))
    with pytest.raises(InvalidIndexError, match="keys"):
        list(parse_index(io.BytesIO(text))[1])


def test_an_index_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INDEX_SIZE", 1000)
    with pytest.raises(InvalidIndexError, match="bytes"):
        list(parse_index(io.BytesIO(b"VERSION: 0\n\n" + b"CPV: a/b-1\n\n" * 200))[1])


@pytest.mark.parametrize("size", ["", "-1", "1e3", "٣", " 5", "9" * 4400])
def test_a_size_that_is_none_is_named(size: str) -> None:
    with pytest.raises(InvalidEntryError):
        _ = IndexEntry({"CPV": "a/b-1", "SIZE": size}).size


@given(st.floats(0, 4e9), st.lists(st.integers(0, 4_000_000_000)))
def test_a_timestamp_is_later_than_every_earlier_one(now: float, earlier: list[int]) -> None:
    stamp = next_timestamp(now, earlier)
    assert stamp >= int(now)
    assert all(stamp > one for one in earlier)
    assert parse_timestamp(str(stamp)) == stamp


def row(number: int, cpv: str, build: str = "1|1") -> Row:
    return Row(f"p{number}", 1, number, number, cpv, build)


def test_one_instance_in_two_places_is_listed_once_in_the_place_of_the_first() -> None:
    rows = [row(1, "a/b-1"), Row("p2", 1, 1, 2, "a/b-1", "2|1"), Row("p3", 1, 1, 3, "a/b-1", "1|1"), row(4, "a/a-1")]
    listed, shadowed = arrange(rows)
    assert [one.path for one in listed] == ["p4", "p3", "p2"]
    assert [one.path for one in shadowed] == ["p1"]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3)), max_size=400), st.integers(0, 399))
def test_cutting_keeps_order_and_one_change_touches_few_blocks(numbers: list[tuple[int, int]], gone: int) -> None:
    rows = arrange([row(n, f"c/p-{cpv}", f"{n}|{build}") for n, (cpv, build) in enumerate(numbers)])[0]
    blocks = cut(rows)
    assert [one for block in blocks for one in block] == rows
    assert all(blocks)
    assert all(one[-1].cpv != other[0].cpv for one, other in pairwise(blocks)), "entries of one version stay together"
    less = cut([*rows[:gone], *rows[gone + 1 :]])
    # At most three blocks begin so near that the entry has a part in it.
    assert sum(block not in blocks for block in less) <= 4


def test_blocks_have_similar_sizes_and_most_changes_touch_only_one() -> None:
    rows = [row(n, cpv) for n, cpv in enumerate(sorted(f"c/p{n * 7919 % 100_003}-1" for n in range(6000)))]
    blocks = cut(rows)
    sizes = [len(block) for block in blocks]
    assert 40 < len(rows) / len(blocks) < 60
    assert max(sizes) < 200
    assert sum(size * size for size in sizes) / len(rows) < 65, "a change meets large blocks more often than small ones"
    touched = [sum(block not in blocks for block in cut([*rows[:n], *rows[n + 1 :]])) for n in range(100, 6000, 59)]
    assert sum(touched) / len(touched) < 1.2


def test_a_block_gives_its_entries_back() -> None:
    entries = [b"CPV: a/b-1\nX: 1\n", b"CPV: a/c-1\n"]
    block = make_block([row(1, "a/b-1"), row(2, "a/c-1")], entries)
    assert block.entries() == entries

"""What differs between two releases, as a person would say it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors import InvalidIndexError
from portage_ext.index.entry import entry_of
from portage_ext.index.text import parse_index
from portage_ext.releases import blocks, contents
from portage_ext.releases.blocks import texts
from portage_ext.releases.contents import Contents, difference, differing


def index(*entries: str, header: str = "PACKAGES: 1\nTIMESTAMP: 5") -> Contents:
    return contents.parse((header + "\n\n" + "".join(f"{one}\n\n" for one in entries)).encode(), "Packages")


def entry(cpv: str, build: int = 1, **more: str) -> str:
    values = {"BUILD_ID": str(build), "CPV": cpv, "PATH": f"{cpv}-{build}.gpkg.tar", "SIZE": "10", **more}
    return "\n".join(f"{key}: {value}" for key, value in sorted(values.items()))


def test_timestamp_alone_is_no_difference() -> None:
    assert index(entry("a/b-1")).same_as(index(entry("a/b-1"), header="PACKAGES: 1\nTIMESTAMP: 9"))
    assert not index(entry("a/b-1")).same_as(index(entry("a/b-1"), header="PACKAGES: 1\nTIMESTAMP: 5\nARCH: arm64"))


def test_added_removed_and_rebuilt_are_told_apart() -> None:
    change = difference(
        index(entry("a/gone-1"), entry("a/same-1"), entry("a/new-1", USE="x")),
        index(entry("a/added-1"), entry("a/same-1"), entry("a/new-1", 2, USE="y")),
    )
    assert [one.get("CPV") for one in change.added] == ["a/added-1"]
    assert [one.get("CPV") for one in change.removed] == ["a/gone-1"]
    assert [one.keys() for one in change.rebuilt] == [{"BUILD_ID": ("1", "2"), "USE": ("x", "y")}]


def test_another_file_under_the_same_name_is_a_rebuild() -> None:
    change = difference(index(entry("a/b-1", SLOT="0/1")), index(entry("a/b-1", SLOT="0/2", SIZE="12")))
    assert change.rebuilt[0].keys() == {"SLOT": ("0/1", "0/2"), "SIZE": ("10", "12")}
    assert not change.added
    assert not change.removed


def test_a_second_instance_is_an_addition() -> None:
    change = difference(index(entry("a/b-1")), index(entry("a/b-1"), entry("a/b-1", 2, USE="gtk")))
    assert [one.get("BUILD_ID") for one in change.added] == ["2"]
    assert not change.rebuilt


def test_one_path_twice_is_refused() -> None:
    with pytest.raises(InvalidIndexError):
        index(entry("a/b-1"), entry("a/b-1"))


def test_of_two_paths_in_an_entry_none_is_chosen() -> None:
    with pytest.raises(InvalidIndexError, match="two paths"):
        index(entry("a/b-1") + "\nPATH: a/c-1-1.gpkg.tar")


def test_a_path_is_found_wherever_in_its_entry_it_is() -> None:
    found = index("PATH: a/b-1-1.gpkg.tar\nCPV: a/b-1", "CPV: a/c-1\nPATH:")
    assert list(found.entries) == ["a/b-1-1.gpkg.tar", "a/c-1.tbz2"]


@pytest.mark.parametrize("gap", ["", "\n"])
def test_what_no_client_would_read_is_no_part_of_a_release(gap: str) -> None:
    with pytest.raises(InvalidIndexError, match="empty entry"):
        index(*(() if gap else (entry("a/b-1"),)), "\n" + entry("a/c-1"))


NAMES = st.lists(
    st.sampled_from([f"CPV: a/{name}\nUSE: {use}".encode() for name in "abcdef" for use in ("", "x")]), unique=True
)


@given(NAMES, NAMES, NAMES, NAMES)
def test_entries_that_differ_are_found_between_those_that_do_not(
    begin: list[bytes], one: list[bytes], other: list[bytes], end: list[bytes]
) -> None:
    ours, others = (list(dict.fromkeys([*begin, *middle, *end])) for middle in (one, other))
    first, second = map(texts, differing(*(b"".join(text + b"\n\n" for text in all_of) for all_of in (ours, others))))
    assert [text for text in first if text not in second] == [text for text in ours if text not in others]
    assert [text for text in second if text not in first] == [text for text in others if text not in ours]
    assert not (first and second) or first[0] != second[0]


@pytest.mark.parametrize(
    "text",
    [
        b"CPV: a/b-1\nSIZE: 10\nDESC: of: a thing\n",
        b"\nCPV: a/b-1\nUSE:\nSLOT:0\n\n",
        b"CPV: a/b-1\nCPV: a/c-1",
        b"CPV: a/b-1\nDESCRIPTION: old\nDESC: new",
        b"CPV: a/b-1\n_mtime_: 5\nrepository: gentoo",
        b"CPV: a/b-1\nno colon\nSIZE: 1",
        b"CPV: a/b-1\n\nCPV: a/c-1",
        b"CPV: a/b-1\nDESC: caf\xc3\xa9\x0c\xe2\x80\xa8 x\r\n",
        b"CPV: a/b-1\nDESC: caf\xc3",
        b"CPV: a/b-1\n: nothing",
        b"CPV: a/b-1\n" + b"".join(b"K%d: 1\n" % number for number in range(1020)),
    ],
)
def test_a_usual_entry_is_read_as_the_reader_of_the_index_reads_it(text: bytes) -> None:
    wanted = next(parse_index(io.BytesIO(b"\n" + text.strip(b"\n") + b"\n"))[1])
    found = entry_of(text)
    assert (dict(found.values), found.twice) == (dict(wanted.values), wanted.twice)


@pytest.mark.parametrize(
    "text", [b"SIZE: 1", b"CPV:\nSIZE: 1", b"CPV: a/b-1\n" + b"".join(b"K%d: 1\n" % n for n in range(1100))]
)
def test_an_entry_that_the_reader_of_the_index_refuses_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidIndexError):
        entry_of(text)


def test_a_first_release_splits_each_block_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for block in range(3):
        entries = {f"a/b{block}-{number}.gpkg.tar": entry(f"a/b{block}-{number}").encode() for number in range(4)}
        entries = {path: text.replace(b"-1.gpkg.tar", b".gpkg.tar") for path, text in entries.items()}
        made.append(blocks.made(b"".join(text + b"\n\n" for text in entries.values()), entries))
    after = contents.of_blocks({}, made, "Packages")
    whole, split = [], blocks.split
    monkeypatch.setattr(blocks, "split", lambda body, where: whole.append(body) or split(body, where))  # type: ignore[func-returns-value]
    served, offered = contents.apart(Contents({}, {}, b""), after)
    assert not served
    assert list(offered) == list(after.entries)
    assert len(offered) == 12
    assert len(whole) == 3

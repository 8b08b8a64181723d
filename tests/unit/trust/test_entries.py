"""The sanitised index: every entry left agrees with itself, whatever was offered."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors import InvalidIndexError
from portage_ext.errors.trust import EntryIdentityError, ForeignUriError, IndexClockError, TrustError, UnsafePathError
from portage_ext.index.text import parse_index
from portage_ext.model import IndexEntry
from portage_ext.trust.entries import check_entry, check_header, sanitise
from portage_ext.trust.known_index import find_entry

NOW = 1_795_000_000
GOOD = {
    "BUILD_ID": "3",
    "CPV": "app-misc/foo-1.0-r1",
    "PATH": "app-misc/foo/foo-1.0-r1-3.gpkg.tar",
    "SIZE": "100",
    "BLAKE2B": "a" * 128,
    "SHA512": "b" * 128,
    "MD5": "c" * 32,
    "RDEPEND": "dev-libs/bar",
}


def text(*entries: dict[str, str], header: dict[str, str] | None = None) -> bytes:
    blocks = [{"TIMESTAMP": str(NOW), **(header or {})}, *entries]
    return b"".join("".join(f"{key}: {value}\n" for key, value in block.items()).encode() + b"\n" for block in blocks)


def test_a_good_entry_stays_as_it_is() -> None:
    header, offered = parse_index(io.BytesIO(text(GOOD, header={"REPO": "tiny", "URI": "x", "TTL": "9"})))
    clean = sanitise("lab", header, offered, strong=True)
    assert clean.left_out == ()
    result = clean.text(NOW + 5)
    assert result.startswith(b"PACKAGES: 1\nREPO: tiny\nTIMESTAMP: %d\n\n" % (NOW + 5))
    found = find_entry(result, GOOD["PATH"])
    assert found is not None
    assert {key: found.get(key) for key in GOOD} == GOOD
    assert found.repository == "tiny"
    assert find_entry(result, "app-misc/foo/foo-1.0-r1-4.gpkg.tar") is None


def test_commands_and_addresses_in_an_entry_are_dropped() -> None:
    hostile = GOOD | {"FETCHCOMMAND": "sh -c evil", "RESUMECOMMAND": "x", "BASE_URI": "http://evil", "PKGINDEX_URI": "x"}
    header, offered = parse_index(io.BytesIO(text(hostile)))
    result = sanitise("lab", header, offered, strong=True).text(NOW)
    assert b"evil" not in result
    assert b"CPV: app-misc/foo-1.0-r1" in result


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"PATH": "/app-misc/foo/foo-1.0-r1-3.gpkg.tar"}, UnsafePathError),
        ({"PATH": "app-misc/../foo-1.0-r1-3.gpkg.tar"}, UnsafePathError),
        ({"PATH": "app-misc/foo/foo-1.0-r1-3.gpkg.tar.sh"}, UnsafePathError),
        ({"PATH": "app-misc/foo/..gpkg.tar"}, UnsafePathError),
        ({"PATH": ""}, UnsafePathError),
        ({"PATH": "app-misc/foo/foo-1.0-3.gpkg.tar"}, EntryIdentityError),
        ({"PATH": "app-misc/bar/foo-1.0-r1-3.gpkg.tar"}, EntryIdentityError),
        ({"CPV": "app-misc/foo"}, EntryIdentityError),
        ({"SIZE": "1e3"}, EntryIdentityError),
        ({"BUILD_ID": "x"}, EntryIdentityError),
        ({"DESC": "a\x1b[2Jb"}, EntryIdentityError),
    ],
)
def test_an_entry_that_breaks_its_identity(change: dict[str, str], error: type[TrustError]) -> None:
    with pytest.raises(error):
        check_entry("lab", IndexEntry(GOOD | change), strong=True)


def test_an_entry_may_have_any_number_in_its_path() -> None:
    """quickpkg numbers the file anew and keeps the installed package's BUILD_ID in it."""
    check_entry("lab", IndexEntry({key: value for key, value in GOOD.items() if key != "BUILD_ID"}), strong=True)
    check_entry("lab", IndexEntry(GOOD | {"BUILD_ID": "1"}), strong=True)
    with pytest.raises(EntryIdentityError):
        check_entry("lab", IndexEntry(GOOD | {"BUILD_ID": "", "PATH": "app-misc/foo/foo-1.0-3.gpkg.tar"}), strong=True)


def test_a_uri_below_a_configured_base_is_no_foreign_one() -> None:
    bases = ("http://a.example/x", "https://m.example")
    for uri in ("http://a.example/x", "http://a.example/x/", "https://m.example/deep"):
        assert check_header("lab", {"URI": uri, "TIMESTAMP": str(NOW)}, bases, NOW) == NOW
    for uri in ("http://a.example/xy", "file:///x", "http://[", "//a.example/x"):
        with pytest.raises(ForeignUriError):
            check_header("lab", {"URI": uri, "TIMESTAMP": str(NOW)}, bases, NOW)


@pytest.mark.parametrize("header", [{}, {"TIMESTAMP": "x"}, {"TIMESTAMP": "9" * 20}, {"TIMESTAMP": "1", "TTL": "-1"}])
def test_times_that_cannot_be(header: dict[str, str]) -> None:
    with pytest.raises(IndexClockError):
        check_header("lab", header, (), NOW)


def block(values: dict[str, str]) -> bytes:
    return "".join(f"{key}: {value}\n" for key, value in values.items()).encode("utf-8", "replace") + b"\n"


keys = st.sampled_from(["CPV", "PATH", "SIZE", "BUILD_ID", "MD5", "SLOT", "URI", "TTL", "X"]) | st.text(max_size=5)
values = st.sampled_from(list(GOOD.values())) | st.text(max_size=30)
indexes = st.lists(st.dictionaries(keys, values, max_size=8) | st.just(GOOD), max_size=5)


@given(indexes, st.booleans())
def test_whatever_is_offered_what_is_handed_on_is_clean(offered: list[dict[str, str]], strong: bool) -> None:
    raw = b"".join(
        "".join(f"{key}: {value}\n" for key, value in one.items()).encode("utf-8", "replace") + b"\n" for one in offered
    )
    try:
        header, entries = parse_index(io.BytesIO(raw))
        clean = sanitise("lab", header, entries, strong=strong)
    except InvalidIndexError:
        return
    again_header, again = parse_index(io.BytesIO(clean.text(NOW)))
    assert not {"URI", "TTL"} & again_header.keys()
    found = list(again)
    assert len(found) == clean.count
    for entry in found:
        check_entry("lab", entry, strong=strong)
    assert len({entry.path for entry in found}) == clean.count


@given(st.binary(max_size=300))
def test_no_bytes_escape_the_named_errors(raw: bytes) -> None:
    try:
        header, entries = parse_index(io.BytesIO(raw))
        sanitise("lab", header, entries, strong=False).text(NOW)
        check_header("lab", header, (), NOW)
    except (InvalidIndexError, TrustError):
        return

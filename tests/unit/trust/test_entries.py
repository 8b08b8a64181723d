"""The sanitised index: every entry left agrees with itself, whatever was offered."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext import limits
from portage_ext.errors import InvalidIndexError
from portage_ext.errors.trust import (
    EntryIdentityError,
    ForeignUriError,
    IndexClockError,
    TrustError,
    UnsafePathError,
    WeakDigestError,
)
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


@pytest.mark.parametrize(
    "long",
    [
        {"RDEPEND": "x" * (limits.METADATA_VALUE + 1)},
        dict.fromkeys(("DEPEND", "RDEPEND", "PDEPEND"), "x" * (limits.INDEX_ENTRY_SIZE // 3 + 1)),
    ],
    ids=["value", "entry"],
)
def test_one_entry_that_is_too_long_does_not_cost_emerge_the_others(long: dict[str, str]) -> None:
    header, offered = parse_index(io.BytesIO(text(GOOD, GOOD | long | {"PATH": "app-misc/foo/foo-1.0-r1-4.gpkg.tar"})))
    clean = sanitise("lab", header, offered, strong=True)
    assert clean.count == 1
    assert [type(one) for one in clean.left_out] == [EntryIdentityError]


def test_commands_and_addresses_in_an_entry_are_dropped() -> None:
    hostile = GOOD | {"FETCHCOMMAND": "sh -c evil", "RESUMECOMMAND": "x", "BASE_URI": "http://evil", "PKGINDEX_URI": "x"}
    header, offered = parse_index(io.BytesIO(text(hostile)))
    result = sanitise("lab", header, offered, strong=True).text(NOW)
    assert b"evil" not in result
    assert b"CPV: app-misc/foo-1.0-r1" in result


def test_keys_of_a_later_portage_are_dropped_and_the_entry_stays() -> None:
    later = GOOD | {"FUTURE": "1", "Odd-Key": "\x1b[2J", "REPO_REVISIONS": "{}"}
    header = {"FUTURE": "x", "PATH": GOOD["PATH"], "CPV": "a/b-1", "RELEASE": "9", "ELIBC": "glibc", "BUILDER": "b"}
    clean = sanitise("lab", *parse_index(io.BytesIO(text(later, header=header))), strong=True)
    assert not clean.left_out
    known = text(GOOD, header={"ELIBC": "glibc", "BUILDER": "b"})
    assert clean.text(NOW) == sanitise("lab", *parse_index(io.BytesIO(known)), strong=True).text(NOW)


def test_a_header_describes_no_package() -> None:
    """Nor a header that was remembered before it was known what may stand in one."""
    body = text(GOOD).partition(b"\n\n")[2]
    for header in (b"CPV: a/b-1\nPATH: %s\nSIZE: 1\n\n", b"X: 1\nPATH: %s\nCPV: a/b-1\n\n", b"PATH: %s\n\n"):
        index = header % GOOD["PATH"].encode() + body
        found = find_entry(index, GOOD["PATH"])
        assert found is not None
        assert found.values == GOOD
        assert find_entry(header % b"a/b/b-1-1.gpkg.tar" + body, "a/b/b-1-1.gpkg.tar") is None


def test_an_entry_whose_first_line_is_its_path_is_found() -> None:
    second = GOOD | {"PATH": "app-misc/foo/foo-1.0-r1-4.gpkg.tar", "BUILD_ID": "4"}
    index = text(*({"PATH": one["PATH"], **one} for one in (GOOD, second)), header={"CHOST": "c", "REPO": "r"})
    for one in (GOOD, second):
        found = find_entry(index, one["PATH"])
        assert found is not None
        assert found.values == one | {"CHOST": "c", "REPO": "r"}


def test_a_key_twice_leaves_the_entry_out() -> None:
    other = GOOD | {"PATH": "app-misc/foo/foo-1.0-r1-4.gpkg.tar", "BUILD_ID": "4"}
    raw = text(GOOD, other).replace(b"BUILD_ID: 4\n", b"BUILD_ID: 4\nrepository: a\nREPO: b\n")
    clean = sanitise("lab", *parse_index(io.BytesIO(raw)), strong=True)
    assert clean.count == 1
    (error,) = clean.left_out
    assert isinstance(error, EntryIdentityError)
    assert "says REPO twice" in str(error)


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
        ({"DESC": "a\x9b2Jb"}, EntryIdentityError),
        ({"PATH": "app-misc/foo/foo-1.0-r1-3.xpak.gpkg.tar"}, EntryIdentityError),
    ],
)
def test_an_entry_that_breaks_its_identity(change: dict[str, str], error: type[TrustError]) -> None:
    with pytest.raises(error):
        check_entry("lab", IndexEntry(GOOD | change), strong=True)


@pytest.mark.parametrize("gone", [(), ("BLAKE2B",), ("SHA512",), ("MD5", "SHA512")])
def test_one_strong_digest_is_enough(gone: tuple[str, ...]) -> None:
    check_entry("lab", IndexEntry({key: value for key, value in GOOD.items() if key not in gone}), strong=True)


@pytest.mark.parametrize("weak", [{"BLAKE2B": "", "SHA512": ""}, {"SHA512": "b" * 127}, {"BLAKE2B": "", "SHA512": "x" * 128}])
def test_no_strong_digest_or_one_that_is_none(weak: dict[str, str]) -> None:
    with pytest.raises(WeakDigestError):
        check_entry("lab", IndexEntry(GOOD | weak), strong=True)


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

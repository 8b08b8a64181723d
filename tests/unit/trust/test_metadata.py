"""What the index says of a package is compared with what the package says of itself."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors.trust import ChangedMetadataError, WrongPackageError
from portage_ext.gpkg.container import read_container, read_metadata
from portage_ext.gpkg.identity import IDENTITY_KEYS, Identity, as_text, identity_of
from portage_ext.gpkg.source import Source
from portage_ext.index.text import parse_index
from portage_ext.model import Cpv, IndexEntry
from portage_ext.trust.known_index import find_entry
from portage_ext.trust.metadata import COMPARED, atoms, check_identity, check_metadata
from tests.testkit.binhost import Binhost

FOUND = Identity(Cpv.parse("app-misc/foo-1.0"), "0/2", 3, 1700000000, "tiny")
ENTRY = {"CPV": "app-misc/foo-1.0", "SLOT": "0/2", "BUILD_ID": "3", "REPO": "tiny"}


def test_the_same_package() -> None:
    check_identity("x", IndexEntry(ENTRY), FOUND)


@pytest.mark.parametrize(
    "change",
    [
        {"CPV": "app-misc/foo-1.1"},
        {"SLOT": "0/3"},
        {"BUILD_ID": "4"},
        {"BUILD_ID": ""},
        {"REPO": "gentoo"},
        {"CPV": "nonsense"},
    ],
)
def test_another_package(change: dict[str, str]) -> None:
    with pytest.raises(WrongPackageError):
        check_identity("x", IndexEntry(ENTRY | change), FOUND)


def test_use_conditionals_are_evaluated_on_both_sides() -> None:
    raw = "a/a foo? ( b/b !bar? ( c/c ) ) baz? ( d/d ) || ( e/e f/f )"
    assert atoms(raw, frozenset({"foo"})) == ["a/a", "b/b", "c/c", "e/e", "f/f"]
    check_metadata(
        "x",
        IndexEntry({"RDEPEND": "a/a b/b c/c || ( e/e f/f )", "USE": "foo", "EAPI": "8"}),
        {"RDEPEND": raw, "USE": "foo", "EAPI": "8"},
    )


@pytest.mark.parametrize("key", ["RDEPEND", "DEPEND", "PDEPEND", "BDEPEND", "USE", "KEYWORDS", "REQUIRES", "EAPI", "LICENSE"])
def test_a_changed_value(key: str) -> None:
    for index, package in (("", "x/y"), ("x/y", ""), ("x/y", "x/z")):
        with pytest.raises(ChangedMetadataError, match=key):
            check_metadata("p", IndexEntry({key: index}), {key: package})


@given(st.lists(st.sampled_from(["(", ")", "||", "a?", "!a?", "x/y", "^^", "?"]) | st.text(max_size=4), max_size=20))
def test_no_text_escapes(words: list[str]) -> None:
    result = atoms(" ".join(words), frozenset({"a"}))
    assert set(result) <= set(" ".join(words).split())


def test_what_portage_itself_indexed_is_never_called_changed(binhost: Binhost) -> None:
    """Every package of a real binhost against Portage's own index of it: no false alarm."""
    index = (binhost.pkgdir / "Packages").read_bytes()
    header, entries = parse_index(io.BytesIO(index))
    checked = 0
    for offered in entries:
        entry = find_entry(index, offered.path)
        assert entry is not None
        with (binhost.pkgdir / entry.path).open("rb") as file:
            source = Source(file.fileno(), entry.path)
            values = as_text(entry.path, read_metadata(source, read_container(source), IDENTITY_KEYS | COMPARED))
        check_identity(entry.path, entry, identity_of(entry.path, values))
        check_metadata(entry.path, entry, values)
        checked += 1
    assert checked == int(header["PACKAGES"])

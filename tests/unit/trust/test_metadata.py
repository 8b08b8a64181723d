"""What the index says of a package is compared with what the package says of itself."""

from __future__ import annotations

import pytest

from portage_ext.errors.trust import ChangedMetadataError, WrongPackageError
from portage_ext.gpkg.identity import IDENTITY_KEYS, Identity
from portage_ext.index import keys
from portage_ext.model import STRONG, WEAK, Cpv, IndexEntry
from portage_ext.model.contract import KEY
from portage_ext.trust.metadata import COMPARED, check_contract, check_identity, check_metadata

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
    check_metadata(
        "x",
        IndexEntry({"RDEPEND": "a/a b/b c/c || ( e/e f/f )", "USE": "foo", "EAPI": "8"}),
        {"RDEPEND": "a/a foo? ( b/b !bar? ( c/c ) ) baz? ( d/d ) || ( e/e f/f )", "USE": "foo", "EAPI": "8"},
    )


@pytest.mark.parametrize(
    ("index", "package"),
    [
        ("|| ( a/a b/b )", "a/a b/b"),
        ("a/a b/b", "|| ( a/a b/b )"),
        ("|| ( a/a b/b c/c )", "|| ( ( a/a b/b ) c/c )"),
        ("|| ( a/a b/b ) c/c", "|| ( a/a b/b c/c )"),
        ("a/a", "|| ( a/a b/b )"),
        ("b/b a/a", "a/a b/b"),
        ("a/a", "a/a ( b/b"),
        ("a/a ( b/b )", "a/a ( b/b"),
    ],
)
def test_a_changed_group(index: str, package: str) -> None:
    for key in ("RDEPEND", "LICENSE"):
        with pytest.raises(ChangedMetadataError, match=key):
            check_metadata("p", IndexEntry({key: index}), {key: package})


def test_what_portage_would_refuse_is_compared_as_it_stands() -> None:
    check_metadata("p", IndexEntry({"RESTRICT": "a -> b"}), {"RESTRICT": "a -> b"})


def test_patches_of_the_user_count_where_the_index_knows_them() -> None:
    check_metadata("p", IndexEntry({}), {"USER_PATCHES": "abc"})
    check_metadata("p", IndexEntry({"USER_PATCHES": "abc"}), {"USER_PATCHES": "abc"})
    for package in ("", "abd"):
        with pytest.raises(ChangedMetadataError, match="USER_PATCHES"):
            check_metadata("p", IndexEntry({"USER_PATCHES": "abc"}), {"USER_PATCHES": package})


def test_a_contract_counts_where_the_index_has_one() -> None:
    check_contract("p", IndexEntry({}), "1 > x86_64 libc.so.6")
    check_contract("p", IndexEntry({KEY: "1 > x86_64 libc.so.6"}), "1 > x86_64 libc.so.6")
    for package in ("", "1 > x86_64 libc.so.6:GLIBC_2.4"):
        with pytest.raises(ChangedMetadataError, match=KEY):
            check_contract("p", IndexEntry({KEY: "1 > x86_64 libc.so.6"}), package)


def test_every_key_that_portage_is_handed_is_compared_or_is_of_the_file_alone() -> None:
    of_the_file = {"MTIME", "PATH", "SIZE", *STRONG, *WEAK}
    only_shown = {"DESC"}
    named = {"CPV", "REPO", *IDENTITY_KEYS}  # CATEGORY and PF together
    assert keys.ENTRY - COMPARED - named == of_the_file | only_shown


@pytest.mark.parametrize("key", ["RDEPEND", "DEPEND", "PDEPEND", "BDEPEND", "USE", "KEYWORDS", "REQUIRES", "EAPI", "LICENSE"])
def test_a_changed_value(key: str) -> None:
    for index, package in (("", "x/y"), ("x/y", ""), ("x/y", "x/z")):
        with pytest.raises(ChangedMetadataError, match=key):
            check_metadata("p", IndexEntry({key: index}), {key: package})

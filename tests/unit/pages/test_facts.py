"""What is read of an index entry: names that become paths, flags that say something, an order of versions."""

from __future__ import annotations

import pytest

from portage_ext.pages import facts

ENTRY = b"""CPV: dev-libs/foo-1.2-r1
BUILD_ID: 3
BUILD_TIME: 1700000000
SIZE: 4096
USE: amd64 ssl
RDEPEND: >=a/b-1:0= !c/d
SLOT: 2"""


def test_an_entry_gives_its_facts() -> None:
    found = facts.build("dev-libs/foo/foo-1.2-r1-3.gpkg.tar", ENTRY, frozenset({"amd64"}))
    assert found is not None
    assert (found.cp, found.version, found.slot, found.build_id) == ("dev-libs/foo", "1.2-r1", "2", "3")
    assert (found.built, found.size, found.use, found.needed) == (1_700_000_000, 4096, ("ssl",), {"a/b"})


@pytest.mark.parametrize(
    "cpv", ["../../etc/passwd-1", "dev-libs/..-1", "dev-libs/foo", "-a/b-1", "a/b/c-1", f"a/{'b' * 200}-1", ""]
)
def test_what_is_no_package_name_gets_no_page(cpv: str) -> None:
    entry = f"CPV: {cpv}".encode()
    assert facts.build("x", entry) is None
    assert facts.name_of(entry) == ""


def test_characters_that_turn_or_control_are_written_out() -> None:
    found = facts.build("x", "CPV: a/b-1\nDESC: \x1b[31mred \u202eder\nLICENSE: a\u2066b".encode())
    assert found is not None
    assert (found.description, found.licence) == ("\\x1b[31mred \\u202eder", "a\\u2066b")


def test_numbers_that_are_none_count_as_unknown() -> None:
    found = facts.build("x", "CPV: a/b-1\nSIZE: 1e9\nBUILD_TIME: ٣\nMTIME: -5".encode())
    assert found is not None
    assert (found.size, found.built) == (0, 0)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("dev-libs/foo", "dev-libs/foo"), (">=dev-libs/foo-1.2-r3:0/3=[ssl,-x(-)]", "dev-libs/foo"), ("=a/b-c-2*", "a/b-c"),
        ("dev-lang/python:3.12", "dev-lang/python"), ("!a/b", ""), ("||", ""), ("(", ""), ("ssl?", ""), ("../../x", ""),
    ],
)  # fmt: skip
def test_the_name_in_a_word_of_a_dependency(word: str, name: str) -> None:
    assert facts.name_in(word) == name


def test_builds_come_newest_first() -> None:
    versions = ["1.0_alpha1", "1.0_rc2", "1.0", "1.0-r1", "1.0_p1", "1.0b", "1.0.1", "1.2", "1.10", "9999"]
    builds = [facts.build(str(place), f"CPV: a/b-{version}".encode()) for place, version in enumerate(versions)]
    shuffled = [one for one in (*builds[::2], *builds[1::2]) if one is not None]
    assert [one.version for one in facts.newest_first(shuffled)] == versions[::-1]


def test_flags_that_the_profile_sets_are_not_told() -> None:
    header = {
        "USE_EXPAND_IMPLICIT": "ARCH ELIBC", "USE_EXPAND_UNPREFIXED": "ARCH",
        "USE_EXPAND_VALUES_ARCH": "amd64 x86", "USE_EXPAND_VALUES_ELIBC": "glibc",
    }  # fmt: skip
    assert facts.implicit_flags(header) == {"amd64", "x86", "elibc_glibc"}

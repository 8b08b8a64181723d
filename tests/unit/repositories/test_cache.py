"""An entry of md5-cache counts only while its ebuild and its eclasses are the ones that it was made of."""

from __future__ import annotations

import pytest

from portage_ext.repositories import cache
from portage_ext.repositories.cache import Metadata

EBUILD = b"EAPI=8\n"
ENTRY = Metadata({"EAPI": "8", "SLOT": "0"}, cache.md5(EBUILD), {"one": "1" * 32, "two": "2" * 32})
ECLASSES = {"one": "1" * 32, "two": "2" * 32, "three": "3" * 32}


def test_an_entry_comes_back() -> None:
    assert cache.parse(cache.emit(ENTRY).decode()) == ENTRY


def test_a_value_of_several_lines_stays_one() -> None:
    entry = Metadata({"RDEPEND": "a/b\n\tc/d"}, ENTRY.md5, {})
    assert cache.emit(entry) == f"RDEPEND=a/b \tc/d\n_md5_={ENTRY.md5}\n".encode()


def test_an_entry_counts_for_its_own_ebuild_and_eclasses() -> None:
    assert cache.is_valid(ENTRY, EBUILD, ECLASSES)
    assert not cache.is_valid(ENTRY, EBUILD + b"#", ECLASSES)
    assert not cache.is_valid(ENTRY, EBUILD, ECLASSES | {"two": "4" * 32})
    assert not cache.is_valid(ENTRY, EBUILD, {"one": "1" * 32})


@pytest.mark.parametrize(
    "text",
    ["", "EAPI=8", "_md5_=1", f"_md5_={'0' * 32}\nno line", f"_md5_={'0' * 32}\n_eclasses_=a",
     f"_md5_={'0' * 32}\n_eclasses_=../../x\t{'0' * 32}"],
)  # fmt: skip
def test_what_is_no_entry_is_none(text: str) -> None:
    assert cache.parse(text) is None


def test_keys_that_nobody_knows_are_not_kept() -> None:
    found = cache.parse(f"EAPI=8\nEVIL=1\n_md5_={'0' * 32}")
    assert found is not None
    assert found.values == {"EAPI": "8"}

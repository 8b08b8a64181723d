"""What the arriving bytes of a package are held to."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.config.settings import Settings
from portage_ext.errors.trust import ChangedMetadataError
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.mirrors import Transports
from portage_ext.fetch.package import _check_computed, digests_for, split
from portage_ext.model import IndexEntry
from portage_ext.model.contract import KEY, SymbolContract
from portage_ext.trust.known_index import mark_bound
from portage_ext.trust.memory import StateDirectory

DIGESTS = {"BLAKE2B": "b", "SHA512": "s", "MD5": "m", "SHA1": "h"}


@pytest.mark.parametrize(
    ("present", "size", "used"),
    [
        (("BLAKE2B", "SHA512", "MD5", "SHA1"), 1000, {"BLAKE2B", "SHA512"}),
        (("BLAKE2B", "SHA512", "MD5"), limits.BOTH_DIGESTS_UP_TO + 1, {"BLAKE2B"}),
        (("SHA512", "MD5"), limits.BOTH_DIGESTS_UP_TO + 1, {"SHA512"}),
        (("MD5", "SHA1"), limits.BOTH_DIGESTS_UP_TO + 1, {"MD5", "SHA1"}),
        (("MD5",), 5, {"MD5"}),
    ],
)
def test_the_strongest_digests_that_are_there_decide(present: tuple[str, ...], size: int, used: set[str]) -> None:
    entry = IndexEntry({"SIZE": str(size), **{name: DIGESTS[name] for name in present}})
    assert digests_for(entry).keys() == used


def test_a_package_is_found_by_the_end_of_its_address() -> None:
    index = b"TIMESTAMP: 1\n\nCPV: a/b-1\nPATH: a/b/b-1-1.gpkg.tar\n\nCPV: a/c-1\nPATH: a/c-1.gpkg.tar\n\n"
    for path in ("a/b/b-1-1.gpkg.tar", "a/c-1.gpkg.tar"):
        found = split(f"http://h/deep/base/{path}", mark_bound(index, 3))
        assert found is not None
        assert (found.base, found.path, found.bound) == ("http://h/deep/base", path, True)
    assert split("http://h/b/b-1-1.gpkg.tar", index) is None


def test_a_contract_is_compared_by_what_it_says(tmp_path: Path) -> None:
    """The index may have it in the first format, as an older portage-ext wrote it; here the present one is made."""
    state = StateDirectory(tmp_path, "lab")
    binrepo = Binrepo("lab", "http://127.0.0.1:9", Settings(), tmp_path, state, Transports(), print, print)
    found = SymbolContract.parse("2 > x86_64 liba.so.1:A_1,A_2 libb.so.1 @ x86_64 /opt/x libx.so < x86_64 libc.so.1")
    for said in ("1 > x86_64 libb.so.1 liba.so.1:A_2,A_1 < x86_64 libc.so.1", str(found)):
        _check_computed(binrepo, "p", IndexEntry({KEY: said}), lambda: found)
    for said in ("1 > x86_64 liba.so.1:A_1 libb.so.1 < x86_64 libc.so.1", str(found).replace("libx", "liby")):
        with pytest.raises(ChangedMetadataError):
            _check_computed(binrepo, "p", IndexEntry({KEY: said}), lambda: found)

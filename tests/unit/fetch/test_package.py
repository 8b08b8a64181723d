"""What the arriving bytes of a package are held to."""

from __future__ import annotations

import pytest

from portage_ext import limits
from portage_ext.fetch.package import digests_for, split
from portage_ext.model import IndexEntry
from portage_ext.trust.known_index import mark_bound

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

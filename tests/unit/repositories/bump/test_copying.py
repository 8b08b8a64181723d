"""Which version of Gentoo a published version is, and which of two is newer."""

from __future__ import annotations

import pytest

from portage_ext.repositories.bump.copying import gentoo_version, is_newer


@pytest.mark.parametrize(
    ("published", "version"),
    [("1.2", "1.2"), ("2024.07.04", "2024.07.04"), ("1.2b", "1.2b"), ("1.0-rc1", "1.0_rc1"), ("1.0rc1", "1.0_rc1"),
     ("1.0_rc1", "1.0_rc1"), ("v1.2", "1.2"), ("1.0-r1", "1.0_p1"), ("release-5", None), ("../../etc", None), ("", None),
     ("1.0+git", None), ("1" * 80, None), ("$(id)", None)],
)  # fmt: skip
def test_a_published_version(published: str, version: str | None) -> None:
    assert gentoo_version(published) == version


@pytest.mark.parametrize(
    ("new", "old", "newer"),
    [("1.10", "1.9-r3", True), ("1.9", "1.9-r3", False), ("1.0", "1.0_rc1", True), ("1.0_rc1", "1.0", False),
     ("1.0_p1", "1.0", True)],
)  # fmt: skip
def test_newer(new: str, old: str, newer: bool) -> None:
    assert is_newer(new, old) is newer

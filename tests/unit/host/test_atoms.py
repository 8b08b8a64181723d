"""Atoms mean what Portage means by them, and a mistake in one is an error and no atom that never matches."""

from __future__ import annotations

import pytest

from portage_ext.errors import UsageError
from portage_ext.host import atoms


@pytest.mark.parametrize(
    ("atom", "fits"),
    [
        ("sys-libs/glibc", True), ("sys-libs/*", True), ("*/*", True), (">=sys-libs/glibc-2.40", True),
        ("<sys-libs/glibc-2.40", False), ("sys-libs/glibc:2.2", True), ("sys-libs/glibc:3", False),
        ("sys-libs/glibc::gentoo", True), ("sys-libs/glibc::lab", False), ("sys-libs/musl", False),
    ],
)  # fmt: skip
def test_an_atom_fits_as_for_portage(atom: str, fits: bool) -> None:
    parsed = atoms.parsed(["app-misc/other", atom], "here")
    assert atoms.matches(parsed, "sys-libs/glibc-2.41-r2", "2.2/2.2", "gentoo") is fits


@pytest.mark.parametrize("text", ["glibc", "sys-libs/glibc-2.41", "", "sys-libs/glibc[foo]", "!sys-libs/glibc", "a b"])
def test_what_is_no_atom_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"\[build\] confirm-for: .* is (no atom|not supported)"):
        atoms.parsed([text], "[build] confirm-for")

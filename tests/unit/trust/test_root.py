"""The text of a root: one form, and nothing that cannot be delegated to."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext import limits
from portage_ext.errors.trust import MalformedRootError
from portage_ext.model.root import Root
from portage_ext.trust import root as root_text

R1, R2, K1, K2 = (letter * 40 for letter in "ABCD")
BASE = Root("repo-one", 1, 1_795_000_000, 1_795_000_000 + 86400, 1, 1, (R1, R2), 1, (K1,))
TEXT = root_text.emit(BASE)


def test_what_is_written_is_read_again() -> None:
    assert root_text.parse(TEXT) == BASE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Version: 1\n", b"Version: 01\n"),
        (b"Version: 1\n", b"Version: 1 \n"),
        (b"Version: 1\n", b"Version: 0\n"),
        (b"Version: 1\n", b"Version: 1\nUnknown: 1\n"),
        (b"Least-Release: 1\n", b""),
        (b"Least-Release: 1\n", b"Least-Release: 0\n"),
        (b"Format: portage-ext-root-1", b"Format: portage-ext-root-2"),
        (b"Root-Threshold: 1", b"Root-Threshold: 3"),
        (b"Root-Threshold: 1", b"Root-Threshold: 0"),
        (f"Root-Key: {R1}\nRoot-Key: {R2}\n".encode(), b""),
        (f"Root-Key: {R2}\n".encode(), f"Root-Key: {R1}\n".encode()),
        (f"Root-Key: {R1}\nRoot-Key: {R2}\n".encode(), f"Root-Key: {R2}\nRoot-Key: {R1}\n".encode()),
        (f"Release-Key: {K1}\n".encode(), b""),
        (f"Release-Key: {K1}\n".encode(), f"Release-Key: {R2}\n".encode()),
        (K1.encode(), K1.lower().encode()),
        (K1.encode(), K1[:39].encode()),
        (b"\n", b"\r\n"),
        (b"Repository: repo-one", b"Repository: ../up"),
        (b"Expires: 2", b"Expires: 3"),
    ],
)
def test_every_other_form_is_refused(old: bytes, new: bytes) -> None:
    assert old in TEXT
    with pytest.raises(MalformedRootError):
        root_text.parse(TEXT.replace(old, new))


@pytest.mark.parametrize("data", [b"", TEXT + b"\n", TEXT[:-1], TEXT + TEXT, b"x" * (limits.MAX_ROOT_SIZE + 1), b"\xff" + TEXT])
def test_nothing_before_or_behind_it(data: bytes) -> None:
    with pytest.raises(MalformedRootError):
        root_text.parse(data)


def test_more_keys_than_anybody_needs_are_refused() -> None:
    many = tuple(f"{number:040X}" for number in range(limits.MAX_ROOT_KEYS + 1))
    for changed in (replace(BASE, root_keys=many), replace(BASE, release_keys=many)):
        with pytest.raises(MalformedRootError):
            root_text.parse(root_text.emit(changed))


@given(st.binary(max_size=200), st.integers(0, len(TEXT)), st.integers(0, len(TEXT)))
def test_whatever_is_read_has_the_form_that_is_written(data: bytes, start: int, end: int) -> None:
    changed = TEXT[:start] + data + TEXT[end:]
    with contextlib.suppress(MalformedRootError):
        assert root_text.emit(root_text.parse(changed)) == changed

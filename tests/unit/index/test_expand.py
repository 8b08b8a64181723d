"""A compressed index expands within its bounds, in every form that may be offered."""

from __future__ import annotations

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors.trust import DamagedIndexError
from portage_ext.index.expand import expand

TEXT = b"TIMESTAMP: 1\n\nCPV: a/b-1\n\n" * 1000


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("Packages", TEXT),
        ("Packages.gz", gzip.compress(TEXT)),
        ("Packages.gz", gzip.compress(TEXT[:900]) + gzip.compress(TEXT[900:])),
        ("Packages.zst", zst(TEXT)),
        ("Packages.zst", zst(TEXT[:900]) + zst(TEXT[900:])),
    ],
    ids=["plain", "gzip", "gzip-members", "zstd", "zstd-frames"],
)
def test_every_form_expands_up_to_its_size_and_no_further(form: str, data: bytes) -> None:
    assert expand(form, data, len(TEXT), "x") == TEXT
    with pytest.raises(DamagedIndexError, match="larger than"):
        expand(form, data, len(TEXT) - 1, "x")


@pytest.mark.parametrize(("form", "data"), [("Packages.gz", gzip.compress(TEXT)), ("Packages.zst", zst(TEXT))])
def test_damage_is_named(form: str, data: bytes) -> None:
    for damaged in (data[:-9], data[: len(data) // 2], b"x" + data[1:], data + b"trailing"):
        try:
            assert expand(form, damaged, len(TEXT), "x") != TEXT or damaged == data[:-9]
        except DamagedIndexError:
            continue


def test_a_bomb_ends_at_the_ratio_when_no_size_is_known() -> None:
    bomb = zst(bytes(64 << 20))
    with pytest.raises(DamagedIndexError, match="expands more than"):
        expand("Packages.zst", bomb, 1 << 40, "x")


@given(st.sampled_from(["Packages", "Packages.gz", "Packages.zst"]), st.binary(max_size=200), st.booleans())
def test_no_bytes_escape_the_named_error(form: str, data: bytes, magic: bool) -> None:
    begin = {"Packages.gz": b"\x1f\x8b\x08\x00", "Packages.zst": b"\x28\xb5\x2f\xfd"}.get(form, b"") if magic else b""
    try:
        assert len(expand(form, begin + data, 1000, "x")) <= 1000
    except DamagedIndexError:
        return

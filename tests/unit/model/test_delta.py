"""The list of deltas: what it says comes back, and a hostile list is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from portage_ext import limits
from portage_ext.errors.deltas import InvalidDeltasError
from portage_ext.model.delta import FORMAT, Compressor, Delta, emit, parse

DELTA = Delta("ab" * 64, 1000, "cd" * 64, 900, 5000, "ef" * 64, 50, 300, 200, 6000, Compressor("1.5.4", 9, 27))


def test_deltas_come_back_as_they_were_and_in_the_same_bytes() -> None:
    other = replace(DELTA, result="12" * 64, compressor=Compressor("1.5.7"))
    assert set(parse(emit([DELTA, other]), "x")) == {DELTA, other}
    assert emit([DELTA, other]) == emit([other, DELTA])
    assert parse(emit([]), "x") == ()
    assert DELTA.path == f"deltas/{'ef' * 64}.zst"
    assert DELTA.saved == 950


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("digest", "../../etc/passwd"),
        ("digest", "EF" * 64),
        ("base", 5),
        ("size", -1),
        ("size", True),
        ("image", 10**12),
        ("head", 10**9),
        ("tail", 10**9),
        ("head", 900),
        ("path", "a/b"),
        ("compressor", ["xz", "1.5.4", 9, 0]),
        ("compressor", ["zstd", "1.5.4; reboot", 9, 0]),
        ("compressor", ["zstd", "1.5.4", 22, 0]),
        ("compressor", ["zstd", "1.5.4", 9, 31]),
        ("compressor", ["zstd", "1.5.4", "-9", 0]),
        ("compressor", "zstd -9"),
    ],
)
def test_a_list_with_anything_else_in_it_is_refused(key: str, value: Any) -> None:
    document = json.loads(emit([DELTA]))
    document["deltas"][0][key] = value
    with pytest.raises(InvalidDeltasError):
        parse(json.dumps(document).encode(), "x")


@pytest.mark.parametrize("data", [b"", b"[]", b'{"format": "other"}', f'{{"format": "{FORMAT}", "deltas": 5}}'.encode()])
def test_another_document_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidDeltasError):
        parse(data, "x")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("", "-T1 -3"),
        ("-9", "-T1 -9"),
        ("-19 --long", "-T1 -19 --long=27"),
        ("-q -T4 --long=24", "-T1 -3 --long=24"),
        ("--ultra -22", None),
        ("-25", None),
        ("--long=31", None),
        ("--adapt", None),
        ("-3 /etc/passwd", None),
    ],
)
def test_flags_of_portage_are_read_by_allow_list(flags: str, words: str | None) -> None:
    found = Compressor.of("1.5.4", flags)
    assert (None if found is None else " ".join(found.words)) == words


def test_a_larger_image_level_or_window_needs_more_memory() -> None:
    assert replace(DELTA, image=100 * limits.MIB).memory > DELTA.memory + 290 * limits.MIB
    assert Compressor("1.5.4", 19).memory > Compressor("1.5.4", 9).memory
    assert Compressor("1.5.4", 3, 27).memory > Compressor("1.5.4", 3).memory

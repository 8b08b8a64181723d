"""Many digests at once are those of hashlib, for every length, number of pieces, and level of instructions."""

from __future__ import annotations

import hashlib
import random
from types import ModuleType

import pytest

from portage_ext.model import digest
from tests.testkit.compiled import compiled

ALGORITHMS = {"MD5": hashlib.md5, "SHA1": hashlib.sha1, "BLAKE2B": hashlib.blake2b, "SHA512": hashlib.sha512}


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return compiled("portage_ext.model._lanes")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_length_around_a_block_and_its_padding(module: ModuleType, name: str) -> None:
    pieces = [bytes([length & 255]) * length for length in range(400)]
    for level in range(len(module.LEVELS)):
        assert module.digests(name, pieces, level) == [ALGORITHMS[name](piece).digest() for piece in pieces]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_any_number_of_pieces_in_their_order(module: ModuleType, name: str) -> None:
    chance = random.Random(3)
    for count in (0, 1, 2, 7, 8, 9, 15, 16, 17, 40):
        pieces = [chance.randbytes(chance.choice((0, chance.randrange(300), chance.randrange(9000)))) for _ in range(count)]
        for level in range(len(module.LEVELS)):
            assert module.digests(name, pieces, level) == [ALGORITHMS[name](piece).digest() for piece in pieces]


def test_pieces_are_views_of_one_memory(module: ModuleType) -> None:
    memory = memoryview(bytearray(random.Random(4).randbytes(5000)))
    pieces = [memory[start : start + 333] for start in range(0, 4000, 37)]
    assert module.digests("MD5", pieces) == [hashlib.md5(piece).digest() for piece in pieces]


def test_wrong_arguments_are_errors(module: ModuleType) -> None:
    for arguments in (("MD4", []), ("MD5", [], len(module.LEVELS)), ("MD5", (b"",)), ("MD5", ["text"]), ("MD5", [b"x", None])):
        with pytest.raises((ValueError, TypeError, BufferError)):
            module.digests(*arguments)


@pytest.mark.parametrize("there", [True, False])
def test_many_is_the_same_with_and_without_the_module(module: ModuleType, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(digest, "_lanes", lambda: (module, frozenset(ALGORITHMS)) if there else (None, frozenset()))
    for count in (0, 1, 5):
        pieces = [bytes(number) for number in range(count)]
        for name, new in ALGORITHMS.items():
            assert digest.many(name, pieces) == [new(piece).hexdigest() for piece in pieces]


def test_a_missing_module_is_silent(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(__import__("sys").modules, "portage_ext.model._lanes", None)
    digest._lanes.cache_clear()
    try:
        assert digest.many("MD5", [b""] * 9) == [hashlib.md5().hexdigest()] * 9
    finally:
        digest._lanes.cache_clear()
    assert capfd.readouterr() == ("", "")

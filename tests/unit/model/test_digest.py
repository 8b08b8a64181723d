"""Many digests at once, and that of one stream, are those of hashlib, for every length, number of pieces, and level of
instructions."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from portage_ext.model import digest
from tests.testkit.compiled import compiled

ALGORITHMS: dict[str, Callable[..., Any]] = {
    "MD5": hashlib.md5,
    "SHA1": hashlib.sha1,
    "BLAKE2B": hashlib.blake2b,
    "SHA512": hashlib.sha512,
}


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


def test_a_stream_of_every_length_around_a_block(module: ModuleType) -> None:
    for level in range(len(module.LEVELS)):
        for length in range(400):
            stream, data = module.Blake2b(level), bytes([length & 255]) * length
            stream.update(data)
            assert stream.hexdigest() == hashlib.blake2b(data).hexdigest()


def test_a_stream_in_any_pieces_and_asked_for_at_any_time(module: ModuleType) -> None:
    chance = random.Random(5)
    data = memoryview(bytearray(chance.randbytes(60_000)))
    for level in range(len(module.LEVELS)):
        for _ in range(60):
            stream, right, done = module.Blake2b(level), hashlib.blake2b(), 0
            while done < len(data):
                count = chance.choice((0, 1, 127, 128, 129, 256, chance.randrange(700), chance.randrange(20_000)))
                stream.update(data[done : done + count])
                right.update(data[done : done + count])
                done += count
                if chance.random() < 0.3:
                    assert stream.hexdigest() == right.hexdigest()
            assert stream.hexdigest() == right.hexdigest()


def test_a_stream_takes_what_hashlib_takes(module: ModuleType) -> None:
    with pytest.raises(ValueError, match="no such level"):
        module.Blake2b(len(module.LEVELS))
    stream = module.Blake2b()
    for wrong in ("text", None, 3):
        with pytest.raises(TypeError):
            stream.update(wrong)
    assert stream.hexdigest() == hashlib.blake2b().hexdigest()


def test_threads_may_not_share_a_stream(module: ModuleType) -> None:
    # Each of many updates is refused or made as a whole; the digest tells how many were made.
    stream, block, made = module.Blake2b(), bytes(200_000), []

    def hash_some() -> None:
        for _ in range(50):
            try:
                stream.update(block)
                made.append(1)
            except RuntimeError as error:
                assert "another thread" in str(error)  # noqa: PT017 - it need not be raised

    threads = [threading.Thread(target=hash_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stream.hexdigest() == hashlib.blake2b(block * len(made)).hexdigest()


@pytest.mark.parametrize("there", [True, False])
def test_the_stream_of_this_cpu(module: ModuleType, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(digest, "_lanes", lambda: (module, frozenset(["BLAKE2B"])) if there else (None, frozenset()))
    stream = digest.blake2b()
    assert isinstance(stream, module.Blake2b) is there
    stream.update(b"some")
    hasher = digest.Hasher(("BLAKE2B", "MD5"))
    hasher.update(b"some")
    assert hasher.values()["BLAKE2B"] == stream.hexdigest() == hashlib.blake2b(b"some").hexdigest()


def test_a_missing_module_is_silent(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(__import__("sys").modules, "portage_ext.model._lanes", None)
    digest._lanes.cache_clear()
    try:
        assert digest.many("MD5", [b""] * 9) == [hashlib.md5().hexdigest()] * 9
    finally:
        digest._lanes.cache_clear()
    assert capfd.readouterr() == ("", "")

"""Honest bytes, changed as somebody changes them who looks for holes: a few changes, each of a kind that means something."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from random import Random

NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"007",
    b"255",
    b"65536",
    b"2147483648",
    b"4294967295",
    b"9223372036854775808",
    b"1" + b"0" * 30,
    b"9" * 4400,
    "²".encode(),
    "٣".encode(),
    b"1_0",
    b"+1",
    b"0x10",
    b"1e400",
    b"nan",
    b"Infinity",
)
BINARY = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0\0\1\0",
    b"\xff" * 8,
)
TEXT = (
    b"\n",
    b"\n\n",
    b"\r\n",
    b" ",
    b"\t",
    b":",
    b"=",
    b"%",
    b"/",
    b"..",
    b"\x1b[0m",
    b"\xed\xa0\x80",
    b"\xc3\x28",
    "é".encode(),
    b"\x0c",
    b"\xe2\x80\xa8",
    b"",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"null",
    b"true",
)
MANY = (2, 2, 10, 10, 50, 300, 5000, 100_000)
LARGEST = 1 << 18

Change = tuple[int, int, int, int]
"""Kind, and three numbers that each kind takes as it needs them."""


def _at(data: bytes, where: int) -> int:
    return where % (len(data) + 1)


def _set(data: bytes, one: int, two: int, _: int, words: Sequence[bytes]) -> bytes:
    at = _at(data, one)
    return data[:at] + bytes([two % 256]) + data[at + 1 :]


def _flip(data: bytes, one: int, two: int, _: int, words: Sequence[bytes]) -> bytes:
    at = _at(data, one)
    return data[:at] + bytes([data[at] ^ 1 << two % 8]) + data[at + 1 :] if at < len(data) else data


def _remove(data: bytes, one: int, two: int, _: int, words: Sequence[bytes]) -> bytes:
    at = _at(data, one)
    return data[:at] + data[at + 1 + two % 64 :]


def _end(data: bytes, one: int, _two: int, _three: int, words: Sequence[bytes]) -> bytes:
    return data[: _at(data, one)]


def _repeat(data: bytes, one: int, two: int, three: int, words: Sequence[bytes]) -> bytes:
    at = _at(data, one)
    piece = data[at : at + 1 + two % 600]
    return data[:at] + piece * min(MANY[three % len(MANY)], LARGEST // max(1, len(piece))) + data[at:]


def _insert(data: bytes, one: int, two: int, _: int, words: Sequence[bytes]) -> bytes:
    at = _at(data, one)
    return data[:at] + words[two % len(words)] + data[at:]


def _replace(data: bytes, one: int, two: int, _: int, words: Sequence[bytes]) -> bytes:
    at = _at(data, one)
    word = words[two % len(words)]
    return data[:at] + word + data[at + len(word) :]


def _nest(data: bytes, one: int, two: int, three: int, words: Sequence[bytes]) -> bytes:
    at = _at(data, one)
    word = words[two % len(words)] or b"x"
    return data[:at] + word * min(MANY[three % len(MANY)], LARGEST // len(word)) + data[at:]


def _number(data: bytes, one: int, two: int, _: int, words: Sequence[bytes]) -> bytes:
    found = list(re.finditer(rb"[0-9]+", data))
    if not found:
        return data
    match = found[one % len(found)]
    return data[: match.start()] + NUMBERS[two % len(NUMBERS)] + data[match.end() :]


def _line(data: bytes, one: int, two: int, three: int, words: Sequence[bytes]) -> bytes:
    """A line taken out, put in elsewhere, or there twice."""
    lines = data.split(b"\n")
    taken = lines[one % len(lines)]
    if three % 3 == 0:
        del lines[one % len(lines)]
    if three % 3 < 2:
        lines.insert(two % (len(lines) + 1), taken)
    else:
        lines.insert(one % len(lines), taken)
    return b"\n".join(lines)


KINDS: tuple[Callable[[bytes, int, int, int, Sequence[bytes]], bytes], ...] = (
    _set,
    _flip,
    _remove,
    _end,
    _repeat,
    _insert,
    _replace,
    _nest,
    _number,
    _line,
)


def apply(data: bytes, changes: Sequence[Change], words: Sequence[bytes]) -> bytes:
    for kind, one, two, three in changes:
        data = KINDS[kind](data, one, two, three, words)
        if len(data) > LARGEST:
            break
    return data


def random_bytes(
    random: Random, seeds: Sequence[bytes], words: Sequence[bytes] = (), mend: Callable[[bytes], bytes] | None = None
) -> bytes:
    """Bytes from ``seeds`` with a few changes, now and then none at all from them."""
    if random.randrange(16) == 0:
        return random.randbytes(random.randrange(200))
    every = (*words, *BINARY, *TEXT, *NUMBERS)
    changes = [
        (random.randrange(len(KINDS)), random.randrange(1 << 20), random.randrange(1 << 20), random.randrange(256))
        for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5, 8)))
    ]
    data = apply(random.choice(seeds), changes, every)
    return mend(data) if mend is not None and random.randrange(3) else data


def shrunk(data: bytes, found: Callable[[bytes], bool], seconds: float = 20) -> bytes:
    """``data`` without what is not needed for ``found`` to hold, as far as it can be told in ``seconds``."""
    deadline = time.monotonic() + seconds
    size = len(data) // 2
    while size and time.monotonic() < deadline:
        at = 0
        while at < len(data) and time.monotonic() < deadline:
            shorter = data[:at] + data[at + size :]
            if found(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data

"""Digests are computed together in one pass over the bytes, and compared as lower-case hexadecimal text.

``_lanes``, a small C module, computes those of many pieces side by side, and BLAKE2B of one stream in wide registers. Where it
was not built, hashlib gives the same values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Final, Protocol

from portage_ext.records import record


class Hash(Protocol):
    """One digest of a stream of bytes, as hashlib makes it."""

    def update(self, data: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


_NEW: Final[Mapping[str, Callable[[], Hash]]] = {
    # MD5 and SHA1 are what Portage's index knows; nothing is decided by them.
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "BLAKE2B": lambda: blake2b(),
    "SHA512": hashlib.sha512,
}

STRONG: Final = ("BLAKE2B", "SHA512")
"""What GLEP 74 Manifests carry, and what this project trusts."""
INDEXED: Final = "BLAKE2B"
"""The strong digest that an index of ours carries; one is enough (docs/adr/0304)."""
WEAK: Final = ("MD5", "SHA1")
"""What Portage's own index carries."""


@record
class Digest:
    """The value of one algorithm (a name of GLEP 74: BLAKE2B, SHA512, …) in hexadecimal."""

    algorithm: str
    value: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", self.value.lower())


class Hasher:
    """Several digests of one stream of bytes."""

    __slots__ = ("_hashes", "size")

    def __init__(self, algorithms: tuple[str, ...] = STRONG) -> None:
        self._hashes = {name: _NEW[name]() for name in algorithms}
        self.size = 0

    def update(self, data: bytes | memoryview) -> None:
        self.size += len(data)
        for one in self._hashes.values():
            one.update(data)

    def values(self) -> dict[str, str]:
        """Hexadecimal value by name of algorithm."""
        return {name: one.hexdigest() for name, one in self._hashes.items()}

    def digests(self) -> tuple[Digest, ...]:
        return tuple(Digest(name, value) for name, value in self.values().items())


def hexdigests(data: bytes | memoryview, algorithms: tuple[str, ...] = STRONG) -> dict[str, str]:
    """Hexadecimal value by name of algorithm, of one piece of bytes."""
    hasher = Hasher(algorithms)
    hasher.update(data)
    return hasher.values()


_IN_LANES: Final[Mapping[str, tuple[str, ...]]] = {
    "plain": ("MD5",),
    "avx2": ("MD5", "BLAKE2B"),
    "avx512": ("MD5", "SHA1", "BLAKE2B", "SHA512"),
}
"""What ``_lanes`` computes faster than hashlib, by the instructions of the CPU: measured in docs/adr/0306."""
_LANES_FROM: Final = 4
"""For fewer pieces hashlib is faster."""


@lru_cache(maxsize=1)
def _lanes() -> tuple[ModuleType | None, frozenset[str]]:
    """The C module, and the algorithms for which it is used."""
    try:
        from portage_ext.model import _lanes as module
    except ImportError:
        return None, frozenset()
    return module, frozenset(_IN_LANES.get(module.LEVELS[-1], ()))


def blake2b() -> Hash:
    """BLAKE2B of one stream of bytes, by the fastest code that this CPU can run (docs/adr/0306)."""
    module, better = _lanes()
    if module is None or "BLAKE2B" not in better:
        return hashlib.blake2b()
    made: Hash = module.Blake2b()
    return made


def many(algorithm: str, pieces: Sequence[bytes | memoryview]) -> list[str]:
    """The hexadecimal value of ``algorithm`` for each of ``pieces``, in the same order."""
    module, better = _lanes()
    if module is None or algorithm not in better or len(pieces) < _LANES_FROM:
        return [hexdigests(piece, (algorithm,))[algorithm] for piece in pieces]
    return [value.hex() for value in module.digests(algorithm, list(pieces))]

"""A delta says how a package becomes a newer one, by sizes and digests alone: it has no path, no URL and no command.

A package (gpkg) that was built again has nearly the same files, but its compressed image has other bytes. So the delta is made
between the decompressed images, and the client compresses the result again. That gives the same bytes only with the same
version of zstd and the same level, which the delta names. ``head`` and ``tail`` are the bytes of the new package before and
after its image; they are in the delta as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from portage_ext import limits
from portage_ext.errors.deltas import InvalidDeltasError
from portage_ext.limits import deltas as bounds
from portage_ext.model.document import table
from portage_ext.model.release import DIGEST

NAME: Final = "deltas.json"
DIRECTORY: Final = "deltas"
"""The directory of a release with the delta files. The name of each is its own digest."""
FORMAT: Final = "portage-ext deltas 1"
_VERSION: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
_FLAG: Final = re.compile(r"-(?P<level>[0-9]{1,2})|--long(?:=(?P<long>[0-9]{1,2}))?|(?P<threads>-T[0-9]{1,4}|-q|--quiet)")
_NUMBERS: Final = {
    "result_size": limits.PACKAGE_SIZE,
    "base_size": limits.PACKAGE_SIZE,
    "base_image": bounds.IMAGE,
    "size": limits.PACKAGE_SIZE,
    "head": bounds.HEAD,
    "tail": bounds.TAIL,
    "image": bounds.IMAGE,
}
_KEYS: Final = frozenset({"result", "base", "digest", "compressor", *_NUMBERS})


@dataclass(frozen=True, slots=True)
class Compressor:
    """The program zstd in this ``version``, with this ``level`` and ``long`` (exponent of the window; 0: without --long)."""

    version: str
    level: int = 3
    long: int = 0

    @classmethod
    def of(cls, version: str, flags: str) -> Compressor | None:
        """The compressor that BINPKG_COMPRESS_FLAGS chooses; None if ``flags`` has options that are not used for deltas."""
        level, long = 3, 0
        for word in flags.split():
            match = _FLAG.fullmatch(word)
            if match is None:
                return None
            level = int(match["level"] or level)
            long = long if match["level"] or match["threads"] else int(match["long"] or bounds.WINDOW)
        return cls(version, level, long) if 1 <= level <= bounds.LEVEL and 10 <= (long or 10) <= bounds.WINDOW else None

    @property
    def words(self) -> tuple[str, ...]:
        """The options that compress standard input. One thread gives the same bytes as several."""
        return ("-T1", f"-{self.level}", *((f"--long={self.long}",) if self.long else ()))

    @property
    def memory(self) -> int:
        """The bytes of memory that compressing may take; trying found about half of it."""
        own = 256 if self.level <= 9 else 384 if self.level <= 15 else 768
        return (own + (2 << self.long >> 20 if self.long else 0)) * limits.MIB


@dataclass(frozen=True, slots=True)
class Delta:
    """Makes the package with the digest ``result`` from the package with the digest ``base``.

    ``digest`` and ``size`` are those of the delta file. All digests are BLAKE2B in hex, all sizes in bytes; ``image`` and
    ``base_image`` are those of the decompressed images.
    """

    result: str
    result_size: int
    base: str
    base_size: int
    base_image: int
    digest: str
    size: int
    head: int
    tail: int
    image: int
    compressor: Compressor

    @property
    def path(self) -> str:
        """Where the delta file is, below the release."""
        return f"{DIRECTORY}/{self.digest}.zst"

    @property
    def saved(self) -> int:
        """The bytes that a client does not have to fetch."""
        return self.result_size - self.size

    @property
    def patch_memory(self) -> int:
        """The bytes of memory that applying the delta takes at most."""
        return bounds.PATCH_MEMORY * max(self.image, self.base_image) + bounds.OWN_MEMORY

    @property
    def memory(self) -> int:
        """The bytes of memory that making the package takes at most, with both programs together."""
        return self.patch_memory + self.compressor.memory


def emit(deltas: Iterable[Delta]) -> bytes:
    """The document of a release with these deltas; the same for the same deltas."""
    lines = sorted(json.dumps(_values(one), sort_keys=True) for one in deltas)
    return (f'{{"format": "{FORMAT}", "deltas": [\n' + ",\n".join(lines) + "\n]}\n").encode()


def _values(delta: Delta) -> dict[str, object]:
    compressor = delta.compressor
    values: dict[str, object] = {name: getattr(delta, name) for name in ("result", "base", "digest", *_NUMBERS)}
    return values | {"compressor": ["zstd", compressor.version, compressor.level, compressor.long]}


def parse(data: bytes, where: str) -> tuple[Delta, ...]:
    """The deltas in a document. Raises InvalidDeltasError."""
    try:
        found = table(data, FORMAT, bounds.DOCUMENT).get("deltas")
        if not isinstance(found, list) or len(found) > bounds.COUNT:
            raise ValueError(f"it has no list of at most {bounds.COUNT} deltas")
        return tuple(map(_delta, found))
    except ValueError as error:
        raise InvalidDeltasError(where, str(error)) from error


def _delta(values: Any) -> Delta:
    if not isinstance(values, dict) or values.keys() != _KEYS:
        raise ValueError(f"a delta must have the keys {', '.join(sorted(_KEYS))}")
    number = {name: _number(values[name], 0, most, name) for name, most in _NUMBERS.items()}
    found = Delta(
        result=_digest(values, "result"),
        result_size=number["result_size"],
        base=_digest(values, "base"),
        base_size=number["base_size"],
        base_image=number["base_image"],
        digest=_digest(values, "digest"),
        size=number["size"],
        head=number["head"],
        tail=number["tail"],
        image=number["image"],
        compressor=_compressor(values["compressor"]),
    )
    if found.head + found.tail >= found.result_size:
        raise ValueError("a delta without room for an image in its package")
    return found


def _compressor(value: Any) -> Compressor:
    if not isinstance(value, list) or len(value) != 4 or value[0] != "zstd":
        raise ValueError("the compressor of a delta is not zstd")
    _, version, level, long = value
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise ValueError("the compressor of a delta has no version")
    return Compressor(version, _number(level, 1, bounds.LEVEL, "level"), _number(long, 0, bounds.WINDOW, "long"))


def _digest(values: Mapping[str, Any], name: str) -> str:
    value = values[name]
    if not isinstance(value, str) or not DIGEST.fullmatch(value):
        raise ValueError(f"{name} of a delta is not a BLAKE2B digest")
    return value


def _number(value: Any, least: int, most: int, name: str) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} of a delta is not a number from {least} to {most}")
    return value

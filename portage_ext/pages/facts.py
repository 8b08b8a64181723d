"""Everything that the pages say about a package is read from its index entry, which is untrusted text.

Control characters are replaced by a visible form here (``shown``), and ``markup`` escapes the rest for HTML. A name is used in
a path only if it is a package name by PMS 3.1; other entries have no page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from portage_ext import shown
from portage_ext.errors import InvalidCpvError
from portage_ext.index import keys
from portage_ext.limits import views as limits
from portage_ext.model import Cpv
from portage_ext.model.contract import KEY as CONTRACT

_NUMBER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_NEEDS: Final = ("RDEPEND", "PDEPEND", "IDEPEND")
_NAME: Final = re.compile(r"([A-Za-z0-9_][\w+.-]*/[A-Za-z0-9_][\w+-]*)", re.ASCII)
_VERSIONED: Final = re.compile(r"-\d[\w.]*(?:-r\d+)?\*?$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Build:
    """The values of one package file that a page shows. Sizes are in bytes, times in seconds since 1970 (0: unknown)."""

    cp: str
    version: str
    slot: str
    build_id: str
    built: int
    size: int
    use: tuple[str, ...]
    licence: str
    description: str
    path: str
    needs: str
    """The runtime dependencies as in the index."""
    contract: str

    @property
    def needed(self) -> set[str]:
        """The names (category/name) in ``needs``, without blockers."""
        return {name for word in self.needs.split() if (name := name_in(word))}


@lru_cache(maxsize=1 << 16)
def name_in(word: str) -> str:
    """The package name in one word of a dependency expression; empty for an operator, a USE conditional or a blocker."""
    if "/" not in word or word.startswith("!"):
        return ""
    atom = word.lstrip("<>=~")
    bare = re.split(r"[:\[]", atom, maxsplit=1)[0]
    match = _NAME.fullmatch(_VERSIONED.sub("", bare) if atom != word else bare.removesuffix("*"))
    return match[0] if match else ""


@lru_cache(maxsize=1 << 16)
def _parsed(cpv: str) -> tuple[str, str] | None:
    """Split a CPV into name (category/name) and version; None if PMS does not allow it."""
    try:
        found = Cpv.parse(cpv)
    except InvalidCpvError:
        return None
    long = max(len(found.category), len(found.pn)) > limits.PAGES_NAME
    return None if long else (found.cp, found.pvr)


def value_of(entry: bytes, key: bytes) -> bytes:
    """The value of a key in the text of an entry. If there are several lines, the last one is used, as in Portage."""
    start = entry.rfind(b"\n" + key + b": ")
    if start < 0 and not entry.startswith(key + b": "):
        return b""
    return entry[start + len(key) + 3 :].partition(b"\n")[0] if start >= 0 else entry[len(key) + 2 :].partition(b"\n")[0]


def name_of(entry: bytes) -> str:
    """The package name (category/name) of an entry; empty if the entry gets no page."""
    parsed = _parsed(value_of(entry, b"CPV").decode("utf-8", "replace"))
    return parsed[0] if parsed else ""


def implicit_flags(header: Mapping[str, str]) -> frozenset[str]:
    """The USE flags that the profile gives to every package of an index, such as ``amd64`` and ``kernel_linux`` (PMS
    11.1.1)."""
    found: set[str] = set()
    for name in header.get("USE_EXPAND_IMPLICIT", "").split():
        values = header.get(f"USE_EXPAND_VALUES_{name}", "").split()
        plain = name in header.get("USE_EXPAND_UNPREFIXED", "").split()
        found.update(values if plain else (f"{name.lower()}_{value}" for value in values))
    return frozenset(found)


def build(path: str, entry: bytes, implicit: frozenset[str] = frozenset()) -> Build | None:
    """Read the index entry ``entry`` of the package at ``path``, without ``implicit`` USE flags; None if its name is
    invalid."""
    text = entry.decode("utf-8", "replace")
    values = {key: value for key, _, value in (line.partition(": ") for line in text.split("\n"))}
    for inner, key in keys.IN_TEXT.items():
        if inner in values:
            values[key] = values[inner]
    parsed = _parsed(values.get("CPV", ""))
    if parsed is None:
        return None
    if "://" in text or not text.replace("\n", "").isprintable():
        values = {key: shown.line(value) for key, value in values.items()}
        path = shown.line(path)
    get = values.get
    return Build(
        *parsed,
        get("SLOT") or "0",
        get("BUILD_ID", ""),
        number(get("BUILD_TIME", "")) or number(get("MTIME", "")),
        number(get("SIZE", "")),
        tuple(flag for flag in get("USE", "").split() if flag not in implicit)[: limits.PAGES_FLAGS],
        get("LICENSE", ""),
        get("DESC", "")[: limits.PAGES_TEXT],
        path,
        " ".join(filter(None, map(get, _NEEDS)))[: limits.PAGES_NEEDS],
        get(CONTRACT, ""),
    )


def number(text: str) -> int:
    """Parse a decimal number from the index; 0 for anything else."""
    return int(text) if _NUMBER.fullmatch(text) else 0


_DIGITS: Final = re.compile(r"(\d+)")
_SIGNS: Final = (("_pre", "\1"), ("_rc", "\2"), ("_beta", "\1"), ("_alpha", "\0"), ("-r", "\x21"), ("_p", "\x22"), (".", "~"))


def newest_first(builds: Iterable[Build]) -> list[Build]:
    """Sort the builds of a package by version, then by build, newest first. The order is only close to Portage's, because
    Portage is not imported here."""
    found = list(builds)
    return sorted(found, key=_order, reverse=True) if len(found) > 1 else found


def _order(one: Build) -> tuple[list[tuple[int, int, str]], int, int]:
    # A suffix such as _rc sorts before the plain version; a revision, _p, a letter and another component sort after it.
    version = one.version
    for suffix, sign in _SIGNS:
        version = version.replace(suffix, sign)
    parts = [(2, int(part[:18]), "") if part.isdigit() else (1, 0, part) for part in _DIGITS.split(version) if part]
    order = [(0, 0, part[2]) if part[2][:1] in ("\0", "\1", "\2") else part for part in parts]
    return [*order, (1, 0, "")], number(one.build_id), one.built

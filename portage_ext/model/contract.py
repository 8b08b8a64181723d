"""A contract says exactly which symbol versions a package needs from outside and which it defines, and fits in one line.

The line stands as ``SYMBOL_CONTRACT`` in the package's metadata, in the vdb and in the index, so it is the same text
everywhere: sorted, one blank between words, no line end. ::

    1 > x86_64 libc.so.6:GLIBC_2.2.5,GLIBC_2.34 libz.so.1 ?libhost.so.2 / x86_64 /usr/lib64/app < x86_64 libfoo.so.1:FOO_1

``>`` opens the needs, ``<`` what is defined, ``/`` directories of RUNPATH in which the needs are looked for besides those of
the system; each is followed by a multilib category and its words. A need that begins with ``?`` is only of plugins, which
whoever loads them may satisfy: it binds the versions of a library that is found, and does not ask for one. What a word
may not contain is written as in a URL (``%20``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from portage_ext.errors import InvalidContractError
from portage_ext.limits import CONTRACT_SIZE

KEY: Final = "SYMBOL_CONTRACT"
"""The name of the metadata file, of the vdb file, and of the key in the index."""
_FORMAT: Final = "1"
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f%:,?<>/]|[^\x00-\x7f]")
_UNSAFE_PATH: Final = re.compile(r"[\x00-\x20\x7f%]|[^\x00-\x7f]")
_CATEGORY: Final = re.compile(r"[a-z0-9]+_[a-z0-9]+", re.ASCII)

Library = tuple[str, str]
"""Multilib category and soname."""


@dataclass(frozen=True, slots=True)
class Need:
    """Symbol versions needed of one library; none of a library without versions. ``plugin``: only by plugins (see above)."""

    category: str
    soname: str
    versions: frozenset[str] = frozenset()
    plugin: bool = False

    @property
    def library(self) -> Library:
        return self.category, self.soname


@dataclass(frozen=True, slots=True)
class SymbolContract:
    """What one package needs and defines. ``search`` maps a category to absolute directories."""

    needs: tuple[Need, ...] = ()
    defines: Mapping[Library, frozenset[str]] = field(default_factory=dict)
    search: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.needs or self.defines)

    def __str__(self) -> str:
        words = [_FORMAT]
        needs: dict[str, list[str]] = {}
        for need in sorted(self.needs, key=lambda need: (need.category, need.soname)):
            needs.setdefault(need.category, []).append(("?" if need.plugin else "") + _word(need.soname, need.versions))
        defines: dict[str, list[str]] = {}
        for (category, soname), versions in sorted(self.defines.items()):
            defines.setdefault(category, []).append(_word(soname, versions))
        for category in sorted(needs):
            words += [">", category, *needs[category]]
        for category in sorted(self.search):
            words += ["/", category, *(_quote(path, _UNSAFE_PATH) for path in self.search[category])]
        for category in sorted(defines):
            words += ["<", category, *defines[category]]
        return " ".join(words)

    @classmethod
    def parse(cls, text: str) -> SymbolContract:
        """Read the line. Raises InvalidContractError for anything that this version would not have written."""
        if len(text) > CONTRACT_SIZE:
            raise InvalidContractError(text[:60], f"it has {len(text)} characters")
        words = text.split()
        if not words or words[0] != _FORMAT:
            raise InvalidContractError(text[:60], f"its format is not {_FORMAT}")
        needs: list[Need] = []
        defines: dict[Library, frozenset[str]] = {}
        search: dict[str, tuple[str, ...]] = {}
        for mark, category, group in _groups(text, words[1:]):
            if mark == ">":
                for word in group:
                    soname, versions = _split(text, word.removeprefix("?"))
                    needs.append(Need(category, soname, versions, word.startswith("?")))
            elif mark == "<":
                defines |= {(category, soname): versions for soname, versions in (_split(text, word) for word in group)}
            else:
                search[category] = tuple(unquote(word) for word in group)
                if not all(path.startswith("/") for path in search[category]):
                    raise InvalidContractError(text[:60], "a directory in it is not absolute")
        return cls(tuple(needs), defines, search)


def _groups(text: str, words: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    position = 0
    while position < len(words):
        mark = words[position]
        category = words[position + 1] if position + 1 < len(words) else ""
        if mark not in (">", "<", "/") or not _CATEGORY.fullmatch(category):
            raise InvalidContractError(text[:60], f"{mark!r} {category!r} opens no group")
        end = position + 2
        while end < len(words) and words[end] not in (">", "<", "/"):
            end += 1
        yield mark, category, words[position + 2 : end]
        position = end


def _word(soname: str, versions: Iterable[str]) -> str:
    listed = ",".join(_quote(version, _UNSAFE) for version in sorted(versions))
    return _quote(soname, _UNSAFE) + (f":{listed}" if listed else "")


def _quote(text: str, unsafe: re.Pattern[str]) -> str:
    if not unsafe.search(text):
        return text
    return unsafe.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape")), text)


def _unquote(text: str) -> str:
    return unquote(text, errors="surrogateescape") if "%" in text else text


def _split(text: str, word: str) -> tuple[str, frozenset[str]]:
    soname, colon, listed = word.partition(":")
    if not soname or (colon and not listed):
        raise InvalidContractError(text[:60], f"{word!r} names no library")
    return _unquote(soname), frozenset(map(_unquote, listed.split(","))) if listed else frozenset()

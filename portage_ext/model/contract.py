"""A contract says exactly which symbol versions a package needs from outside and which it defines, and fits in one line.

The line is stored as ``SYMBOL_CONTRACT`` in the package's metadata, in the vdb and in the index, so it is the same text
everywhere: sorted, one blank between words, no line end. ::

    2 > x86_64 libc.so.6:GLIBC_2.2.5,GLIBC_2.34 libz.so.1 ?libhost.so.2 / x86_64 /usr/lib64/app
      @ x86_64 /usr/lib64/foo libcommon.so:C_1 < x86_64 libfoo.so.1:FOO_1

``>`` opens the needs, ``<`` what is defined, ``/`` directories of RUNPATH in which the needs are looked for besides those of
the system; each is followed by a multilib category and its words. ``@`` opens what is defined in one directory that only
RUNPATH leads to, which is its first word; ``?`` in place of the libraries says that there are more than are recorded. A
directory below EPREFIX begins with ``~/``, so that it is right on a host with another one. A need that begins with ``?`` is
only of plugins, which the program that loads them may satisfy: it binds the versions of a found library, and does not ask for
one. What a word may not contain is written as in a URL (``%20``).

Format 1 had no ``@``: nothing is known of what such a package has in directories of its own, which is not the same as nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from portage_ext.errors import InvalidContractError
from portage_ext.limits import CONTRACT_PRIVATE, CONTRACT_SIZE
from portage_ext.records import field, record, replace

KEY: Final = "SYMBOL_CONTRACT"
"""The name of the metadata file, of the vdb file, and of the key in the index."""
_FORMAT: Final = "2"
_WITHOUT_PRIVATE: Final = "1"
_MARKS: Final = (">", "<", "/", "@")
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f%:,?<>/@]|[^\x00-\x7f]")
_UNSAFE_PATH: Final = re.compile(r"[\x00-\x20\x7f%]|[^\x00-\x7f]")
_ESCAPED: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_CATEGORY: Final = re.compile(r"[a-z0-9]+_[a-z0-9]+", re.ASCII)

Library = tuple[str, str]
"""Multilib category and soname."""
Placed = tuple[str, Library]
"""A directory and a library in it."""
ANY: Final = "?"
"""The soname of what is in a private directory and not recorded."""


@record
class Need:
    """Symbol versions needed of one library; none of a library without versions. ``plugin``: only by plugins (see above)."""

    category: str
    soname: str
    versions: frozenset[str] = frozenset()
    plugin: bool = False

    @property
    def library(self) -> Library:
        return self.category, self.soname


@record
class SymbolContract:
    """What one package needs and defines. ``search`` maps a category to directories, absolute or with ``~/`` for EPREFIX.

    ``private`` is what it defines where only RUNPATH leads; None where that has not been recorded.
    """

    needs: tuple[Need, ...] = ()
    defines: Mapping[Library, frozenset[str]] = field(default_factory=dict)
    search: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    private: Mapping[Placed, frozenset[str]] | None = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.needs or self.defines or self.private)

    def __str__(self) -> str:
        words = [_WITHOUT_PRIVATE if self.private is None else _FORMAT]
        needs: dict[str, list[str]] = {}
        for need in sorted(self.needs, key=lambda need: (need.category, need.soname)):
            needs.setdefault(need.category, []).append(("?" if need.plugin else "") + _word(need.soname, need.versions))
        private: dict[tuple[str, str], list[str]] = {}
        for (directory, (category, soname)), versions in sorted((self.private or {}).items()):
            private.setdefault((category, directory), []).append(ANY if soname == ANY else _word(soname, versions))
        defines: dict[str, list[str]] = {}
        for (category, soname), versions in sorted(self.defines.items()):
            defines.setdefault(category, []).append(_word(soname, versions))
        for category in sorted(needs):
            words += [">", category, *needs[category]]
        for category in sorted(self.search):
            words += ["/", category, *(_quote(path, _UNSAFE_PATH) for path in self.search[category])]
        for category, directory in sorted(private):
            words += ["@", category, _quote(directory, _UNSAFE_PATH), *private[category, directory]]
        for category in sorted(defines):
            words += ["<", category, *defines[category]]
        return " ".join(words)

    def same_as(self, other: SymbolContract) -> bool:
        """Whether both say the same, as far as both say it: in whatever order, and with private libraries recorded or not."""
        if self.private is not None and other.private is not None and self.private != other.private:
            return False
        return (frozenset(self.needs), self.defines, self.search) == (frozenset(other.needs), other.defines, other.search)

    def portable(self, eprefix: str) -> SymbolContract:
        """Itself with ``~/`` in place of the offset prefix of the host that it was made on."""
        return (
            self._moved(lambda path: "~" + path[len(eprefix) :] if path.startswith(eprefix + "/") else path)
            if eprefix
            else self
        )

    def placed(self, eprefix: str) -> SymbolContract:
        """Itself with the offset prefix of this host in place of ``~/``.

        A host with one installs nothing outside it: what a contract says to be there is of another host, and not known here.
        """
        moved = self._moved(lambda path: eprefix + path[1:] if path.startswith("~/") else path)
        outside = eprefix and any(not directory.startswith(eprefix + "/") for directory, _ in moved.private or ())
        return replace(moved, private=None) if outside else moved

    def _moved(self, move: Callable[[str], str]) -> SymbolContract:
        if not self.search and not self.private:
            return self
        search = {category: tuple(map(move, paths)) for category, paths in self.search.items()}
        private = self.private and {(move(path), library): found for (path, library), found in self.private.items()}
        return replace(self, search=search, private=private)

    @classmethod
    def parse(cls, text: str) -> SymbolContract:
        """Read the line. Raises InvalidContractError for anything that this version would not have written."""
        if len(text) > CONTRACT_SIZE:
            raise InvalidContractError(text[:60], f"it has {len(text)} characters")
        words = text.split()
        if not words or words[0] not in (_FORMAT, _WITHOUT_PRIVATE):
            raise InvalidContractError(text[:60], f"its format is not {_FORMAT}")
        needs: list[Need] = []
        defines: dict[Library, frozenset[str]] = {}
        search: dict[str, tuple[str, ...]] = {}
        private: dict[Placed, frozenset[str]] | None = {} if words[0] == _FORMAT else None
        for mark, category, group in _groups(text, words[1:]):
            if mark == ">":
                for word in group:
                    soname, versions = _split(text, word.removeprefix("?"))
                    needs.append(Need(category, soname, versions, word.startswith("?")))
            elif mark == "<":
                defines |= {(category, soname): versions for soname, versions in (_split(text, word) for word in group)}
            elif mark == "@":
                if private is None or len(group) < 2:
                    raise InvalidContractError(text[:60], f"{mark!r} {category!r} opens no group")
                (directory,) = _directories(text, group[:1])
                for word in group[1:]:
                    soname, versions = (ANY, frozenset[str]()) if word == ANY else _split(text, word)
                    private[directory, (category, soname)] = versions
            else:
                search[category] = _directories(text, group)
        return cls(tuple(needs), defines, search, private)


def _groups(text: str, words: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    position = 0
    while position < len(words):
        mark = words[position]
        category = words[position + 1] if position + 1 < len(words) else ""
        if mark not in _MARKS or not _CATEGORY.fullmatch(category):
            raise InvalidContractError(text[:60], f"{mark!r} {category!r} opens no group")
        end = position + 2
        while end < len(words) and words[end] not in _MARKS:
            end += 1
        yield mark, category, words[position + 2 : end]
        position = end


def _directories(text: str, words: Iterable[str]) -> tuple[str, ...]:
    found = tuple(_unquote(word, "replace") for word in words)
    if not all(path.startswith(("/", "~/")) for path in found):
        raise InvalidContractError(text[:60], "a directory in it is not absolute")
    return found


def bounded(private: Mapping[Placed, frozenset[str]]) -> dict[Placed, frozenset[str]] | None:
    """``private`` with ANY for the libraries of the fullest directories, so that CONTRACT_PRIVATE words are left; else None."""
    places: dict[tuple[str, str], list[Placed]] = {}
    for placed in private:
        places.setdefault((placed[0], placed[1][0]), []).append(placed)
    left = dict(private)
    for (directory, category), full in sorted(places.items(), key=lambda item: -len(item[1])):
        if len(left) <= CONTRACT_PRIVATE:
            break
        for placed in full:
            del left[placed]
        left[directory, (category, ANY)] = frozenset()
    return left if len(left) <= CONTRACT_PRIVATE else None


def _word(soname: str, versions: Iterable[str]) -> str:
    listed = ",".join(_quote(version, _UNSAFE) for version in sorted(versions))
    return _quote(soname, _UNSAFE) + (f":{listed}" if listed else "")


def _quote(text: str, unsafe: re.Pattern[str]) -> str:
    if not unsafe.search(text):
        return text
    return unsafe.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape")), text)


def _unquote(text: str, errors: str = "surrogateescape") -> str:
    """As urllib's unquote, which takes a hundred times the memory of a text of percent signs."""
    return _ESCAPED.sub(lambda match: bytes.fromhex(match[0].replace("%", "")).decode("utf-8", errors), text)


def _split(text: str, word: str) -> tuple[str, frozenset[str]]:
    soname, colon, listed = word.partition(":")
    if not soname or (colon and not listed):
        raise InvalidContractError(text[:60], f"{word!r} names no library")
    return _unquote(soname), frozenset(map(_unquote, listed.split(","))) if listed else frozenset()

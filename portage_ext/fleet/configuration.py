"""Only lines that are an atom with words, or a set, are read from a configuration. Comments and all else stay on the host, and
what stays is listed by name.

Pure: bytes by path go in. targets/allowed decides which paths are read at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from portage_ext.targets import allowed

Words = tuple[str, ...]
WILDCARD: Final = "*/*"
_TOP: Final = "etc/portage/"
_NAME: Final = r"[A-Za-z0-9_*][A-Za-z0-9+_.*-]{0,127}"
_ATOM: Final = re.compile(
    rf"-?(?:[<>]=?|[=~])?{_NAME}/{_NAME}(?::[A-Za-z0-9_*][A-Za-z0-9+_./*-]{{0,63}})?(?:::[A-Za-z0-9_-]{{1,64}})?"
)
_WORD: Final = re.compile(r"-?[@A-Za-z0-9*~^][A-Za-z0-9@+_.*~-]{0,127}")
_GROUP: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}:")
_SET: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.-]{0,63}")

ATOMS: Final = ("package.mask", "package.unmask", "profile/package.mask", "profile/package.unmask")
"""Files with one atom a line."""
FLAGS: Final = tuple(f"profile/use{stable}.{kind}" for stable in ("", ".stable") for kind in ("mask", "force"))
"""Files with one USE flag a line."""
WITH_WORDS: Final = (
    "package.use", "package.accept_keywords", "package.license",
    *(f"profile/package.use{kind}" for kind in ("", ".mask", ".force", ".stable.mask", ".stable.force")),
)  # fmt: skip
"""Files with an atom and words a line."""
_SAME: Final = {"package.keywords": "package.accept_keywords"}
"""The old name of a file (portage(5))."""
VARIABLES: Final = ("USE", "ACCEPT_KEYWORDS", "ACCEPT_LICENSE")
_UNEXPANDED: Final = frozenset({"ARCH", "ELIBC", "KERNEL", "USERLAND"})
"""USE_EXPAND variables that only the official profiles set."""

_NO_PROFILE: Final = "Portage does not read it from a profile"
_WHY: Final = {
    "package.env": "Portage reads package.env and env files only from /etc/portage",
    "env": "Portage reads package.env and env files only from /etc/portage",
    "bashrc": "it is a program, which each owner decides on",
    "package.bashrc": "it is a program, which each owner decides on",
    "patches": "Portage reads patches only from /etc/portage",
    "savedconfig": "Portage reads saved configurations only from /etc/portage",
    "license_groups": "Portage reads licence groups from a repository for all hosts, not from a profile",
    "sets.conf": "Portage reads it from a repository for all hosts, not from a profile",
    "package.provided": "PMS bans it in profiles of EAPI 7 and later",
}


@dataclass(frozen=True, slots=True)
class Left:
    """Something that is not published, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """``lines`` has file, atom (or USE flag) and words, in the order in which Portage reads them; ``variables`` those of
    make.conf; ``sets`` the atoms of each set; ``left`` what was not read."""

    lines: Mapping[str, Mapping[str, Words]] = field(default_factory=dict)
    variables: Mapping[str, Words] = field(default_factory=dict)
    sets: Mapping[str, Words] = field(default_factory=dict)
    left: tuple[Left, ...] = ()


def read(files: Mapping[str, bytes], variables: Mapping[str, str], use_expand: Collection[str]) -> Configuration:
    """Read the ``files`` of a host, by path below its root, and the ``variables`` of its make.conf."""
    lines: dict[str, dict[str, Words]] = {}
    sets: dict[str, Words] = {}
    left: list[Left] = []
    for path in sorted(files):
        if not path.startswith(_TOP) or not allowed.is_allowed(path):
            continue
        name = path.removeprefix(_TOP)
        kind = _kind(name)
        if kind is None:
            left.append(Left(name, _WHY.get(name.split("/")[0], _NO_PROFILE)))
        elif kind.startswith("sets/"):
            sets[kind.removeprefix("sets/")] = tuple(_set(name, files[path], left))
        else:
            _add(lines.setdefault(kind, {}), _lines(kind, name, files[path], left))
    return Configuration(lines, _variables(variables, use_expand, left), sets, tuple(left))


def _kind(name: str) -> str | None:
    """Which of the files above ``name`` belongs to; None if it is none of them."""
    parts = name.split("/")
    top = "/".join(parts[:2]) if parts[0] == "profile" else parts[0]
    top = _SAME.get(top, top)
    if parts[0] == "sets" and len(parts) == 2 and _SET.fullmatch(parts[1]):
        return name
    return top if top in (*ATOMS, *FLAGS, *WITH_WORDS) else None


def _words(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The words of each line, up to a comment, as Portage's ``grabfile`` reads them."""
    for number, text in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        words = text.split()
        end = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
        if words[:end]:
            yield number, words[:end]


def _lines(kind: str, name: str, data: bytes, left: list[Left]) -> Iterator[tuple[str, Words]]:
    for number, (first, *rest) in _words(data):
        where = f"{name}:{number}"
        if kind in FLAGS:
            if not rest and _WORD.fullmatch(first):
                yield first, ()
            else:
                left.append(Left(where, "the line is not one USE flag"))
        elif not _ATOM.fullmatch(first) or (rest and kind in ATOMS):
            left.append(Left(where, "the line is not an atom that can be published"))
        else:
            words = _expanded(rest)
            if words is None:
                left.append(Left(where, "a word of the line is neither a flag, a keyword nor a licence"))
            else:
                yield first, words


def _expanded(words: Iterable[str]) -> Words | None:
    """The words of a line with ``NAME:`` written out, as in package.use (portage(5)); None if one cannot be published."""
    found, prefix = [], ""
    for word in words:
        if _GROUP.fullmatch(word):
            prefix = f"{word[:-1].lower()}_"
        elif not _WORD.fullmatch(word):
            return None
        else:
            found.append(f"-{prefix}{word[1:]}" if word.startswith("-") else f"{prefix}{word}")
    return tuple(found)


def _add(lines: dict[str, Words], more: Iterable[tuple[str, Words]]) -> None:
    for atom, words in more:
        # A later line of the same atom counts more.
        lines[atom] = (*lines.pop(atom, ()), *words)


def _set(name: str, data: bytes, left: list[Left]) -> Iterator[str]:
    for number, words in _words(data):
        if len(words) == 1 and (_ATOM.fullmatch(words[0]) or (words[0][0] == "@" and _SET.fullmatch(words[0][1:]))):
            yield words[0]
        else:
            left.append(Left(f"{name}:{number}", "the line is neither an atom nor a set"))


def _variables(values: Mapping[str, str], use_expand: Collection[str], left: list[Left]) -> dict[str, Words]:
    found: dict[str, Words] = {}
    for name, value in allowed.variables(values, use_expand).items():
        if name not in VARIABLES and (name not in use_expand or name in _UNEXPANDED):
            left.append(Left(f"make.conf: {name}", "it does not decide which packages fit, or each host has its own"))
        elif all(map(_WORD.fullmatch, words := tuple(value.split()))):
            found[name] = words
        else:
            left.append(Left(f"make.conf: {name}", "a word in it is neither a flag, a keyword nor a licence"))
    return found

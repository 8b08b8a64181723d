"""config.json of a release: the published profiles. It makes the same ebuild repository on every client, whatever it contains.

A client takes only names of files that a profile may have (``profile.FILES``), so a document cannot write anywhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from portage_ext.errors.fleet import InvalidConfigError
from portage_ext.fleet.configuration import Left
from portage_ext.fleet.profile import FILES
from portage_ext.limits import fleet as bounds
from portage_ext.model.document import table

FORMAT: Final = "portage-ext-config-1"
DIRECTORY: Final = "profiles/fleet"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""The name of a published profile."""
_PARENT: Final = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_-]{0,127}):(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9+_./-]{0,255}")
_SET: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.-]{0,159}")


@dataclass(frozen=True, slots=True)
class Profile:
    """A published profile: ``parent`` is ``repository:path``; ``files``, ``sets``: texts by name; ``left``: not published."""

    parent: str
    files: Mapping[str, str]
    sets: Mapping[str, str] = field(default_factory=dict)
    left: tuple[Left, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """The published profiles by name."""

    profiles: Mapping[str, Profile] = field(default_factory=dict)

    def emit(self) -> bytes:
        """The bytes to publish, after a check that clients accept them. Raises InvalidConfigError."""
        values = {
            name: {
                "parent": one.parent,
                "files": dict(one.files),
                "sets": dict(one.sets),
                "left": [[left.what, left.why] for left in one.left],
            }
            for name, one in self.profiles.items()
        }
        data = json.dumps({"format": FORMAT, "profiles": values}, indent=1, sort_keys=True).encode() + b"\n"
        parse(data, "the configuration")
        return data

    def with_profile(self, name: str, one: Profile | None) -> Document:
        """This document with the profile ``name``, or without it (None)."""
        others = {known: profile for known, profile in self.profiles.items() if known != name}
        return replace(self, profiles=others if one is None else others | {name: one})

    def repository(self, name: str) -> dict[str, bytes]:
        """The files of the ebuild repository ``name``, by path."""
        masters = sorted({one.parent.partition(":")[0] for one in self.profiles.values()})
        texts = {
            "profiles/repo_name": f"{name}\n",
            "profiles/eapi": "8\n",
            "metadata/layout.conf": f"masters = {' '.join(masters)}\nthin-manifests = true\nsign-manifests = false\n"
            "profile-formats = portage-2 profile-license profile-repo-deps\n",
        }
        for profile, one in self.profiles.items():
            texts |= {f"{DIRECTORY}/{profile}/{file}": text for file, text in one.files.items()}
            texts |= {f"sets/{file}": text for file, text in one.sets.items()}
        if any(one.sets for one in self.profiles.values()):
            texts["sets.conf"] = (
                f"[{name} sets]\nclass = portage.sets.files.StaticFileSet\nmultiset = true\n"
                f"directory = ${{repository:{name}}}/sets\n"
            )
        return {path: text.encode() for path, text in texts.items()}


def parse(data: bytes, where: str) -> Document:
    """Read a config.json. Raises InvalidConfigError."""
    try:
        document = table(data, FORMAT, bounds.CONFIG_SIZE)
    except ValueError as error:
        raise InvalidConfigError(where, str(error)) from error
    profiles = _table(document.get("profiles"), where, "profiles", bounds.CONFIG_PROFILES)
    return Document({_fitting(NAME, name, where): _profile(value, where) for name, value in profiles.items()})


def _profile(value: object, where: str) -> Profile:
    one = _table(value, where, "a profile", 16)
    texts = {name: _text(text, where) for name, text in _table(one.get("files"), where, "files", bounds.CONFIG_FILES).items()}
    if foreign := sorted(texts.keys() - FILES):
        raise InvalidConfigError(where, f"a profile cannot have the file {foreign[0]!r}")
    sets = _table(one.get("sets"), where, "sets", bounds.CONFIG_FILES)
    left = one.get("left")
    if not isinstance(left, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in left):
        raise InvalidConfigError(where, "left is not a list of pairs")
    parent = _fitting(_PARENT, one.get("parent"), where)
    if texts.get("parent") != f"{parent}\n":
        raise InvalidConfigError(where, "the file parent does not name the parent")
    return Profile(
        parent=parent,
        files=texts,
        sets={_fitting(_SET, name, where): _text(text, where) for name, text in sets.items()},
        left=tuple(Left(_text(what, where), _text(why, where)) for what, why in left),
    )


def _table(value: object, where: str, what: str, most: int) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > most:
        raise InvalidConfigError(where, f"{what} is not a table within bounds")
    return value


def _fitting(pattern: re.Pattern[str], value: object, where: str) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise InvalidConfigError(where, f"it has the name {str(value)[:80]!r}")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.replace("\n", "").isprintable():
        raise InvalidConfigError(where, "a text in it is not printable")
    return value

"""The search loads all names at once, and loads the details of results from small files only when it needs them.

``search/names.json`` has all names and the keys of the other files. A row file has the details of packages, and its key is the
common prefix of their names. If too many packages have the same prefix, the file is split by the next character; the key for a
name that equals the prefix ends with a dot, which no package name contains. ``search/use-<two characters>.json`` has the
packages by USE flag.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from portage_ext import words
from portage_ext.limits import views as limits
from portage_ext.pages.facts import Build

DIRECTORY: Final = "search"
NAMES: Final = f"{DIRECTORY}/names.json"
_SAFE: Final = re.compile(r"[A-Za-z0-9_+-]{2}", re.ASCII)
_LONGEST: Final = 40
_BUILDS_SHOWN: Final = 4

Row = list[Any]


def row(name: str, builds: Sequence[Build]) -> Row:
    """The details of a package in a search result: name, description, licence, newest builds, USE flags of the newest build,
    and number of builds."""
    newest = builds[0]
    shown = [[one.version, one.slot, words.day(one.built) if one.built else "", one.size] for one in builds[:_BUILDS_SHOWN]]
    return [name, newest.description, newest.licence, shown, list(newest.use), len(builds)]


def divided(names: Iterable[str]) -> dict[str, list[str]]:
    """Assign the packages (category/name) to row files. Returns the packages of each file by its key."""
    by_name: dict[str, list[str]] = {}
    for full in names:
        by_name.setdefault(full.partition("/")[2], []).append(full)
    found: dict[str, list[str]] = {}
    _divide("", sorted(by_name), by_name, found)
    return found


def _divide(prefix: str, names: Sequence[str], by_name: Mapping[str, list[str]], found: dict[str, list[str]]) -> None:
    if len(names) <= limits.PAGES_ROWS or len(prefix) >= _LONGEST:
        if names:
            found[prefix] = [full for name in names for full in by_name[name]]
        return
    depth = len(prefix)
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name[depth : depth + 1], []).append(name)
    for character, group in groups.items():
        if character:
            _divide(prefix + character, group, by_name, found)
        else:
            found[f"{prefix}."] = [full for name in group for full in by_name[name]]


def row_file(key: str) -> str:
    """The path of the row file with ``key``."""
    return f"{DIRECTORY}/rows-{key}.json"


def use_key(flag: str) -> str:
    """The key of the file with the packages that have ``flag``: its first two characters."""
    return flag[:2] if _SAFE.fullmatch(flag[:2]) else "other"


def use_file(key: str) -> str:
    return f"{DIRECTORY}/use-{key}.json"


def names_text(categories: Mapping[str, Sequence[str]], rows: Iterable[str], uses: Iterable[str]) -> bytes:
    """names.json: the names of each category, the keys of the row files, and those of the files by flag."""
    joined = {category: " ".join(names) for category, names in categories.items()}
    return text({"categories": joined, "rows": " ".join(sorted(rows)), "uses": " ".join(sorted(uses))})


def text(value: object) -> bytes:
    """The content of a JSON file without unnecessary white space."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"

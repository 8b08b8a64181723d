"""The catalogue has what the pages need to know of all packages, and is updated by reading only the packages that changed.

So the time for an update depends on the number of changes. ``touched`` are the packages whose builds differ. ``relinked`` are
those whose page differs because another package was added, was removed, or now needs it or no longer needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from portage_ext.pages import facts
from portage_ext.pages.facts import Build
from portage_ext.releases.contents import Contents

Signed = Callable[[str], bool]
"""A function that tells whether the package at a path has a signature."""


@dataclass(slots=True)
class Catalogue:
    """All packages. The names in ``needed`` and ``used`` are joined by blanks, because most are only copied from release to
    release."""

    paths: dict[str, list[str]] = field(default_factory=dict)
    """The paths of the package files by name (category/name)."""
    needed: dict[str, str] = field(default_factory=dict)
    """For each name, the packages that need it."""
    used: dict[str, str] = field(default_factory=dict)
    """For each USE flag, the packages that were built with it."""
    unsigned: set[str] = field(default_factory=set)
    size: int = 0
    nameless: int = 0
    """The number of entries whose name is not valid in a path."""


@dataclass(slots=True)
class Changes:
    """What must be written again. ``flags`` are the USE flags whose packages differ; ``names`` were added or removed."""

    touched: set[str]
    relinked: set[str]
    flags: set[str]
    names: set[str]


class Reader:
    """The builds in an index. Each package is read when it is first requested."""

    def __init__(self, contents: Contents, paths: Mapping[str, list[str]]) -> None:
        self._entries = contents.entries
        self._implicit = facts.implicit_flags(contents.header)
        self._paths = paths
        self._read: dict[str, list[Build]] = {}

    def builds(self, name: str) -> list[Build]:
        """The builds of a package, newest first. Raises KeyError if a path is not in the index."""
        found = self._read.get(name)
        if found is None:
            read = (facts.build(path, self._entries[path], self._implicit) for path in self._paths.get(name, ()))
            found = self._read[name] = facts.newest_first(one for one in read if one is not None)
        return found

    def needs(self, name: str) -> set[str]:
        """The packages that any build of ``name`` needs, without ``name`` itself."""
        return {needed for one in self.builds(name) for needed in one.needed} - {name}

    def flags(self, name: str) -> set[str]:
        return {flag for one in self.builds(name) for flag in one.use}


Moved = tuple[list[str], list[str]]
"""The paths whose entries are no longer in an index, and those whose entries are new; a changed entry is in both."""


def moved(before: Contents, after: Contents) -> Moved:
    """The differences between two indexes."""
    came = [path for path, entry in after.entries.items() if before.entries.get(path) != entry]
    return [path for path, entry in before.entries.items() if after.entries.get(path) != entry], came


def whole(contents: Contents, signed: Signed) -> Catalogue:
    """Make the catalogue of an index without an earlier one."""
    made = Catalogue()
    for path, entry in contents.entries.items():
        if name := facts.name_of(entry):
            made.paths.setdefault(name, []).append(path)
        else:
            made.nameless += 1
        made.size += _size(entry)
    made.unsigned = {path for path in contents.entries if not signed(path)}
    return made


def inverted(made: Catalogue, reader: Reader) -> None:
    """Compute ``needed`` and ``used`` from all packages."""
    needed: dict[str, list[str]] = {}
    used: dict[str, list[str]] = {}
    for name in sorted(made.paths):
        for other in reader.needs(name):
            needed.setdefault(other, []).append(name)
        for flag in reader.flags(name):
            used.setdefault(flag, []).append(name)
    made.needed = {name: " ".join(found) for name, found in needed.items()}
    made.used = {flag: " ".join(found) for flag, found in used.items()}


def advance(made: Catalogue, before: Contents, after: Contents, moved: Moved, signed: Signed) -> tuple[Changes, Reader]:
    """Update the catalogue of ``before`` to ``after``. Raises KeyError or ValueError if it is not the catalogue of
    ``before``."""
    if facts.implicit_flags(before.header) != facts.implicit_flags(after.header):
        raise ValueError("every package has other flags")
    if sum(map(len, made.paths.values())) + made.nameless != len(before.entries):
        raise ValueError("it has other packages")
    went, came = moved
    old_names = {path: facts.name_of(before.entries[path]) for path in went}
    new_names = {path: facts.name_of(after.entries[path]) for path in came}
    touched = {name for name in (*old_names.values(), *new_names.values()) if name}
    had = touched & made.paths.keys()
    old = Reader(before, {name: list(made.paths[name]) for name in had})
    for path, name in old_names.items():
        made.size -= _size(before.entries[path])
        made.unsigned.discard(path)
        if name:
            made.paths[name].remove(path)
        else:
            made.nameless -= 1
    for path, name in new_names.items():
        made.size += _size(after.entries[path])
        if not signed(path):
            made.unsigned.add(path)
        if name:
            made.paths.setdefault(name, []).append(path)
        else:
            made.nameless += 1
    for name in [name for name in touched if not made.paths[name]]:
        del made.paths[name]
    has = touched & made.paths.keys()
    new = Reader(after, made.paths)
    relinked, flags = _reversed(made, touched, old, new)
    for name in had ^ has:
        relinked.update(made.needed.get(name, "").split())
    return Changes(has, (relinked & made.paths.keys()) - has, flags, had ^ has), new


def _reversed(made: Catalogue, touched: Iterable[str], old: Reader, new: Reader) -> tuple[set[str], set[str]]:
    """Update ``needed`` and ``used``. Returns the names and the flags whose lists differ."""
    needs: dict[str, tuple[set[str], set[str]]] = {}
    flags: dict[str, tuple[set[str], set[str]]] = {}
    for name in touched:
        for found, was, now in ((needs, old.needs(name), new.needs(name)), (flags, old.flags(name), new.flags(name))):
            for key in was ^ now:
                found.setdefault(key, (set(), set()))[key in was].add(name)
    for table, found in ((made.needed, needs), (made.used, flags)):
        for key, (more, fewer) in found.items():
            members = (set(table.get(key, "").split()) | more) - fewer
            if members:
                table[key] = " ".join(sorted(members))
            else:
                table.pop(key, None)
    return set(needs), set(flags)


def by_category(names: Sequence[str]) -> dict[str, list[str]]:
    """The names of the packages of each category; ``names`` (category/name) are sorted."""
    found: dict[str, list[str]] = {}
    for full in names:
        category, _, name = full.partition("/")
        found.setdefault(category, []).append(name)
    return found


def _size(entry: bytes) -> int:
    return facts.number(facts.value_of(entry, b"SIZE").decode("utf-8", "replace"))

"""The text of an index is read with limits, and every line has the same meaning as in Portage's reader.

Header, empty line, entries separated by empty lines; ``Key: value`` lines (getbinpkg.PackageIndex in Portage). Of two lines
with the same key Portage uses the last. This reader also records the duplicate, under either of its names, for strict callers.
A group of lines that is neither the header nor names a package is refused: Portage versions differ in what they do after it.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, NamedTuple

from portage_ext import limits
from portage_ext.errors import InvalidIndexError
from portage_ext.index import keys
from portage_ext.model import IndexEntry


class _Group(NamedTuple):
    """Consecutive lines: the last value of each key, and the keys that occurred more than once."""

    values: dict[str, str]
    twice: set[str]


def _groups(lines: Iterable[bytes], name: str) -> Iterator[_Group]:
    values, twice = group = _Group({}, set())
    first = True
    for line in lines:
        if len(line) > limits.INDEX_LINE:
            raise InvalidIndexError(name, f"a line of more than {limits.INDEX_LINE} bytes")
        text = line[:-1].decode("utf-8", "replace") if line.endswith(b"\n") else _cut_off(line)
        if not text:
            if not (values or first):
                return  # Portage stops reading at the first empty entry
            yield group
            values, twice = group = _Group({}, set())
            first = False
            continue
        key, colon, value = text.partition(":")
        if colon:
            key = keys.IN_TEXT.get(key, key)
            if key in values:
                twice.add(key)
            values[key] = value[1:]
            if len(values) > limits.INDEX_KEYS:
                raise InvalidIndexError(name, f"an entry of more than {limits.INDEX_KEYS} keys")
    if values:
        yield group


def _cut_off(line: bytes) -> str:
    """Decode a last line without a newline. As in Portage, an incomplete character at its end is dropped."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(line)


def _bounded(file: IO[bytes], name: str) -> Iterator[bytes]:
    total = 0
    while line := file.readline(limits.INDEX_LINE + 1):
        total += len(line)
        if total > limits.INDEX_SIZE:
            raise InvalidIndexError(name, f"more than {limits.INDEX_SIZE} bytes")
        yield line


def parse_index(file: IO[bytes], name: str = "Packages") -> tuple[dict[str, str], Iterator[IndexEntry]]:
    """Return the header and an iterator over the entries. Raises InvalidIndexError, also while the entries are read."""
    groups = _groups(_bounded(file, name), name)
    return _header(groups, name), (_entry(group, name) for group in groups)


def read_header(file: IO[bytes], name: str = "Packages") -> dict[str, str]:
    """Read only the header. Raises InvalidIndexError."""
    return _header(_groups(_bounded(file, name), name), name)


def listed_paths(file: IO[bytes]) -> set[str]:
    """The paths of the packages in an index. Damaged entries are skipped, and the others are still read."""
    found: set[str] = set()
    cpv = path = ""
    while line := file.readline(limits.INDEX_LINE):
        key, _, value = line.decode("utf-8", "replace").rstrip("\n").partition(": ")
        if key == "PATH":
            path = value
        elif key == "CPV":
            cpv = value
        elif not key and (cpv or path):
            found.add(path or f"{cpv}.tbz2")  # Portage's default (binarytree._populate_local)
            cpv = path = ""
    return found | ({path or f"{cpv}.tbz2"} if cpv or path else set())


def _header(groups: Iterator[_Group], name: str) -> dict[str, str]:
    header = next(groups, _Group({}, set()))
    twice = sorted(filter(keys.in_header, header.twice))
    if twice:
        # Every entry may inherit from the header, so a duplicate key there makes the whole index ambiguous.
        raise InvalidIndexError(name, f"its header says {twice[0]} twice")
    return header.values


def _entry(group: _Group, name: str) -> IndexEntry:
    if not group.values.get("CPV"):
        raise InvalidIndexError(name, f"an entry without CPV ({', '.join(sorted(group.values))[:80]})")
    return IndexEntry(group.values, frozenset(group.twice & keys.ENTRY))


def emit_header(header: Mapping[str, str]) -> bytes:
    """The text of the header with the empty line after it. Keys without a value are left out, as in Portage."""
    lines = (f"{key}: {header[key]}\n" for key in sorted(header) if header[key])
    return ("".join(lines) + "\n").encode("utf-8", "replace")

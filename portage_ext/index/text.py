"""The text of an index is read within bounds, and every line means what Portage's reader would take it for.

Header, empty line, entries divided by empty lines; ``Key: value`` lines (getbinpkg.PackageIndex in Portage).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import IO

from portage_ext import limits
from portage_ext.errors import InvalidIndexError
from portage_ext.model import IndexEntry


def _groups(lines: Iterable[bytes], name: str) -> Iterator[dict[str, str]]:
    group: dict[str, str] = {}
    first = True
    for line in lines:
        if len(line) > limits.INDEX_LINE:
            raise InvalidIndexError(name, f"a line of more than {limits.INDEX_LINE} bytes")
        text = line.decode("utf-8", "replace").rstrip("\n")
        if not text:
            if group or first:
                yield group
            elif not first:
                return  # Portage stops at the first empty entry
            group, first = {}, False
            continue
        key, colon, value = text.partition(":")
        if colon:
            group[key] = value[1:]
            if len(group) > limits.INDEX_KEYS:
                raise InvalidIndexError(name, f"an entry of more than {limits.INDEX_KEYS} keys")
    if group:
        yield group


def _bounded(file: IO[bytes], name: str) -> Iterator[bytes]:
    total = 0
    while line := file.readline(limits.INDEX_LINE + 1):
        total += len(line)
        if total > limits.INDEX_SIZE:
            raise InvalidIndexError(name, f"more than {limits.INDEX_SIZE} bytes")
        yield line


def parse_index(file: IO[bytes], name: str = "Packages") -> tuple[dict[str, str], Iterator[IndexEntry]]:
    """The header, and the entries one after another. Raises InvalidIndexError, also while the entries are taken."""
    groups = _groups(_bounded(file, name), name)
    header = next(groups, {})
    return header, (IndexEntry(group) for group in groups if group.get("CPV"))


def read_header(file: IO[bytes], name: str = "Packages") -> dict[str, str]:
    """The header alone."""
    return next(_groups(_bounded(file, name), name), {})


def emit_header(header: Mapping[str, str]) -> bytes:
    """The header with the empty line that ends it; keys without value are left out, as Portage does."""
    lines = (f"{key}: {header[key]}\n" for key in sorted(header) if header[key])
    return ("".join(lines) + "\n").encode("utf-8", "replace")

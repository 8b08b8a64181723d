"""The sanitised index as a host remembers it: a package's entry is found without parsing the others.

Loaded in the process that fetches one package, and therefore small.
"""

from __future__ import annotations

import io
from typing import Final

from portage_ext.index.keys import INHERITED
from portage_ext.index.text import parse_index
from portage_ext.model import IndexEntry

_BOUND: Final = b"RELEASE: "
"""How a remembered index begins that a Release bound."""


def mark_bound(text: bytes, release: int) -> bytes:
    """``text`` as it is remembered when Release ``release`` bound it; Portage never sees the mark."""
    return _BOUND + f"{release}\n".encode() + text


def is_bound(remembered: bytes) -> bool:
    """Whether a remembered index was bound by a Release."""
    return remembered.startswith(_BOUND)


def release_of(remembered: bytes) -> str:
    """The version of the Release that bound a remembered index."""
    return remembered[len(_BOUND) :].partition(b"\n")[0].decode("ascii", "replace") if is_bound(remembered) else ""


def unmarked(remembered: bytes) -> bytes:
    """A remembered index as Portage was handed it."""
    return remembered.partition(b"\n")[2] if is_bound(remembered) else remembered


def find_entry(index: bytes, path: str) -> IndexEntry | None:
    """The entry with ``path`` in the text of a sanitised index, without parsing the rest. What it inherits is filled in.

    Entries begin behind the first empty line: whatever the header says, it describes no package.
    """
    body = index.find(b"\n\n")
    at = index.find(f"\nPATH: {path}\n".encode(), body + 1) if body >= 0 else -1
    if at < 0:
        return None
    start, end = index.rfind(b"\n\n", body, at + 1) + 2, index.find(b"\n\n", at)
    header, entries = parse_index(io.BytesIO(index[: body + 2] + index[start : end + 1 if end >= 0 else len(index)]))
    entry = next(entries)
    inherited = {key: header[key] for key in INHERITED if header.get(key) and key not in entry.values}
    return IndexEntry({**entry.values, **inherited}, entry.twice)

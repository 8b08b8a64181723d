"""The sanitised index as a host remembers it: a package's entry is found without parsing the others.

Loaded in the process that fetches one package, and therefore small.
"""

from __future__ import annotations

from typing import Final

from portage_ext.model import IndexEntry

_BOUND: Final = b"RELEASE: "
"""How a remembered index begins that a Release bound."""


def mark_bound(text: bytes, release: int) -> bytes:
    """``text`` as it is remembered when Release ``release`` bound it; Portage never sees the mark."""
    return _BOUND + f"{release}\n".encode() + text


def is_bound(remembered: bytes) -> bool:
    """Whether a remembered index was bound by a Release."""
    return remembered.startswith(_BOUND)


def unmarked(remembered: bytes) -> bytes:
    """A remembered index as Portage was handed it."""
    return remembered.partition(b"\n")[2] if is_bound(remembered) else remembered


def find_entry(index: bytes, path: str) -> IndexEntry | None:
    """The entry with ``path`` in the text of a sanitised index, without parsing the rest."""
    at = index.find(f"\nPATH: {path}\n".encode())
    if at < 0:
        return None
    start, end = index.rfind(b"\n\n", 0, at + 1) + 2, index.find(b"\n\n", at)
    block = index[start : end if end >= 0 else len(index)].decode("utf-8", "replace")
    header = index[: index.find(b"\n\n")].decode("utf-8", "replace")
    values = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
    inherited = dict(line.split(": ", 1) for line in header.split("\n") if ": " in line)
    for key, inherits in (("REPO", "REPO"), ("REPO", "repository"), ("CHOST", "CHOST")):
        if key not in values and inherits in inherited:
            values[key] = inherited[inherits]
    return IndexEntry(values)

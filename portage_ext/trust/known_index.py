"""The kept, sanitised index is searched for one package's entry without parsing the other entries.

The process that fetches one package imports this module, so it is kept small.
"""

from __future__ import annotations

import io
from typing import Final

from portage_ext.index.keys import INHERITED
from portage_ext.index.text import parse_index
from portage_ext.model import IndexEntry

_BOUND: Final = b"RELEASE: "
"""The first bytes of a kept index that a Release has authenticated."""


def mark_bound(text: bytes, release: int) -> bytes:
    """``text`` in the form in which it is kept after Release ``release`` authenticated it. Portage never sees this mark."""
    return _BOUND + f"{release}\n".encode() + text


def is_bound(remembered: bytes) -> bool:
    """Whether a kept index was authenticated by a Release."""
    return remembered.startswith(_BOUND)


def release_of(remembered: bytes) -> str:
    """The version of the Release that authenticated a kept index."""
    return remembered[len(_BOUND) :].partition(b"\n")[0].decode("ascii", "replace") if is_bound(remembered) else ""


def unmarked(remembered: bytes) -> bytes:
    """A kept index in the form that Portage was given."""
    return remembered.partition(b"\n")[2] if is_bound(remembered) else remembered


def header_value(index: bytes, key: str) -> str:
    """The value of ``key`` in the header of a kept index; empty if there is none."""
    start = b"\n" + key.encode() + b": "
    at = index.find(start, 0, max(0, index.find(b"\n\n")) + 1)
    return "" if at < 0 else index[at + len(start) : index.index(b"\n", at + 1)].decode("utf-8", "replace")


def find_entry(index: bytes, path: str) -> IndexEntry | None:
    """Find the entry with ``path`` in the text of a sanitised index without parsing the rest; None if there is none.

    Values that the entry inherits from the header are filled in. The search begins after the first empty line, so that no text
    in the header can be taken for a package.
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

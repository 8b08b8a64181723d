"""The reasons for a release other than changed packages: another header, builder, keys, a hold, a later expiry.

A release is made only if packages differ or if one of these reasons applies.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from portage_ext.errors import InvalidBuilderError
from portage_ext.index.entry import entry_of
from portage_ext.model import builder
from portage_ext.model.release import BILL, CONFIG, DELTAS, DOCUMENTS, PROVENANCE
from portage_ext.releases import pages
from portage_ext.releases.contents import Contents, apart, same_entries
from portage_ext.releases.made import At, First
from portage_ext.releases.note import Note, Waiting

if TYPE_CHECKING:
    from portage_ext.releases.first import Part

_OTHERWISE_TOLD: Final = frozenset({"TIMESTAMP", "PACKAGES", builder.HEADER, pages.HEADER, DELTAS, *DOCUMENTS.values()})
ANNOUNCED: Final = "the keys that are announced"
FROM_EARLIER: Final = "deltas from earlier releases"
LATER_EXPIRY: Final = "a later expiry"
RELEASED: Final = "the channel is no longer held"
WAITS: Final = "which packages wait for the toolchain"
WAITED: Final = "no package waits any more"
PAGES: Final = "the pages for people"
NO_PAGES: Final = "no pages for people any more"
_TOLD: Final = {
    CONFIG: "the configuration that clients can follow as a profile",
    BILL: "the bill of materials",
    PROVENANCE: "the provenance of the packages",
}


def in_the_index(before: Contents, new: Contents, live: Path, described: bytes) -> list[str]:
    """What changes for clients besides packages from ``before``, the index in ``live``, to ``new`` with its builder.json."""
    found: list[str] = []
    names = {*before.header, *new.header} - _OTHERWISE_TOLD
    other = sorted(name for name in names if before.header.get(name, "") != new.header.get(name, ""))
    if other:
        found.append(f"the header of the index ({', '.join(other)})")
    if before.header.get(builder.HEADER, "") != new.header.get(builder.HEADER, ""):
        found.append(f"the builder's configuration{_changed(live, described)}")
    for name, words in _TOLD.items():
        key = DOCUMENTS[name]
        if before.header.get(key, "") == new.header.get(key, ""):
            continue
        # A changed bill of materials or provenance says nothing new where packages changed: these are listed by themselves.
        if not (name in (BILL, PROVENANCE) and not same_entries(before, new)):
            found.append(words)
    if not before.same_body_as(new) and same_entries(before, new):
        found.append("the order of the packages in the index")
    return found


def waiting(before: Waiting | None, after: Waiting | None) -> list[str]:
    """What changed in which packages wait for a toolchain."""
    if after is None:
        return [] if before is None else [WAITED]
    return [] if before is not None and before.packages == after.packages else [WAITS]


def again(documents: Mapping[str, bytes], at: At, new: Contents, live: Path | None) -> Mapping[str, bytes]:
    """The ``documents`` of a release, for one with the packages ``new``; some of these are in ``live``, others are ``at``.

    Raises OSError.
    """
    found = dict(documents)
    if BILL in found:
        from portage_ext.releases.bill import bill

        found[BILL] = bill(new)
    if PROVENANCE in found:
        from portage_ext.releases.provenance import document

        try:
            other = (live / PROVENANCE).read_bytes() if live is not None else b""
            found[PROVENANCE] = document(new, at, found[PROVENANCE] + other, lambda text: None)
        except FileNotFoundError:  # The live release has no statements about the packages that stay.
            del found[PROVENANCE]
    return found


def documents(directory: Path) -> tuple[bytes, Mapping[str, bytes]]:
    """builder.json (empty if there is none) and the documents of the release in ``directory``, by name. Raises OSError."""
    found: dict[str, bytes] = {}
    for name in (builder.NAME, *DOCUMENTS):
        with contextlib.suppress(FileNotFoundError):
            found[name] = (directory / name).read_bytes()
    return found.pop(builder.NAME, b""), found


def first_part(before: Contents, new: Contents, note: Note, first: First | None, now: int) -> Part | None:
    """What of ``new`` a channel that serves ``before`` gets now; None if it gets everything, and nobody has to remember why."""
    if first is None:
        return None
    nothing = not note.arrived and note.waiting is None
    if nothing and not any(first.names(entry_of(text)) for text in apart(before, new)[1].values()):
        return None
    from portage_ext.releases.first import part  # only for a new toolchain

    return part(before, new, note, first, now)


def _changed(live: Path, described: bytes) -> str:
    """The keys in which builder.json differs, if both can be read."""
    try:
        old, new = builder.read(live / builder.NAME), builder.parse(described, builder.NAME)
    except (InvalidBuilderError, OSError):
        return ""
    return f" ({', '.join(one for one in old.__match_args__ if getattr(old, one) != getattr(new, one))})"

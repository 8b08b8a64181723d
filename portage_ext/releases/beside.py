"""The reasons for a release other than changed packages: another header, builder, keys, a hold, a later expiry.

A release is made only if packages differ or if one of these reasons applies.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Final

from portage_ext.errors import InvalidBuilderError
from portage_ext.model import builder
from portage_ext.model.release import BILL, CONFIG, DOCUMENTS, PROVENANCE
from portage_ext.releases import pages
from portage_ext.releases.contents import Contents

_OTHERWISE_TOLD: Final = frozenset({"TIMESTAMP", "PACKAGES", builder.HEADER, pages.HEADER, *DOCUMENTS.values()})
ANNOUNCED: Final = "the keys that are announced"
LATER_EXPIRY: Final = "a later expiry"
RELEASED: Final = "the channel is no longer held"
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
        # A changed bill of materials or provenance says nothing new where packages changed: these are listed by themselves.
        told = name in (BILL, PROVENANCE) and before.entries != new.entries
        if before.header.get(key, "") != new.header.get(key, "") and not told:
            found.append(words)
    if before.entries == new.entries and before.body != new.body:
        found.append("the order of the packages in the index")
    return found


def _changed(live: Path, described: bytes) -> str:
    """The keys in which builder.json differs, if both can be read."""
    try:
        old, new = builder.read(live / builder.NAME), builder.parse(described, builder.NAME)
    except (InvalidBuilderError, OSError):
        return ""
    return f" ({', '.join(one.name for one in fields(old) if getattr(old, one.name) != getattr(new, one.name))})"

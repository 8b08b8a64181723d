"""A software bill of materials is made from the index alone, so the same packages give the same bytes.

The format is CycloneDX 1.5 in JSON. It has no time and no serial number, which are optional there. Licences are given by the
names that ebuilds use, because these are not SPDX's.
"""

from __future__ import annotations

import json
from typing import Any, Final

from portage_ext import __version__
from portage_ext.errors import InvalidCpvError, InvalidEntryError
from portage_ext.model import IndexEntry
from portage_ext.releases.contents import Contents

FORMAT: Final = "1.5"
_HASHES: Final = {"BLAKE2B": "BLAKE2b-512", "SHA512": "SHA-512"}
_PROPERTIES: Final = ("SLOT", "REPO", "USE", "BUILD_ID", "BUILD_TIME", "CHOST")


def bill(new: Contents) -> bytes:
    """The bill of materials of all packages in an index."""
    components = [one for path in sorted(new.entries) if (one := _component(path, new)) is not None]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": FORMAT,
        "version": 1,
        "metadata": {"tools": {"components": [{"type": "application", "name": "portage-ext", "version": __version__}]}},
        "components": components,
    }
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def _component(path: str, new: Contents) -> dict[str, Any] | None:
    """One package; None for an entry that clients refuse, too, since it has no name and version."""
    entry = new.entry(path)
    try:
        cpv = entry.cpv
    except (InvalidCpvError, InvalidEntryError):
        return None
    found: dict[str, Any] = {
        "type": "application",
        "bom-ref": path,
        "group": cpv.category,
        "name": cpv.pn,
        "version": cpv.pvr,
        "hashes": [{"alg": alg, "content": entry.get(name).lower()} for name, alg in _HASHES.items() if entry.get(name)],
        "licenses": [{"license": {"name": name}} for name in _licences(entry)],
        "properties": [
            {"name": f"gentoo:{key.lower()}", "value": value}
            for key in _PROPERTIES
            if (value := entry.get(key) or new.header.get(key, ""))
        ],
    }
    if entry.get("DESC"):
        found["description"] = entry.get("DESC")
    return found


def _licences(entry: IndexEntry) -> list[str]:
    """The licences that LICENSE names, without its operators."""
    words = entry.get("LICENSE").split()
    return list(dict.fromkeys(word for word in words if word not in ("(", ")", "||") and not word.endswith("?")))

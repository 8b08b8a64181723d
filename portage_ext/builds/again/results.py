"""What was built again, by the digest of the published package; so the share of a release that is reproducible is a figure."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from portage_ext import files, limits, locks
from portage_ext.builds.places import Places
from portage_ext.limits import builds as bounds
from portage_ext.model import IndexEntry
from portage_ext.model.release import PLAIN_FORM
from portage_ext.releases import contents
from portage_ext.releases.contents import Contents
from portage_ext.tasks.site import Site

_NAME: Final = "again.json"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Share:
    """How many packages of ``where`` there are, were built again, and are reproducible."""

    where: str
    packages: int
    checked: int
    reproducible: int


def keep(places: Places, digest: str, cpv: str, *, reproducible: bool) -> None:
    """Remember a result for the package with this BLAKE2B. Raises OSError, LockError."""
    with locks.held(places.state / f"{_NAME}.lock", bounds.LEDGER_WAIT):
        known = load(places)
        known.pop(digest, None)
        known[digest] = {"cpv": cpv, "reproducible": reproducible, "when": int(time.time())}
        newest = dict(list(known.items())[-bounds.CAPTURE_PACKAGES :])
        files.replace_file(places.state / _NAME, json.dumps({"format": _FORMAT, "results": newest}).encode(), mode=0o600)


def load(places: Places) -> dict[str, dict[str, Any]]:
    """The results by digest, oldest first; none if they cannot be read."""
    try:
        with (places.state / _NAME).open("rb") as file:
            data = file.read(bounds.CAPTURE_SIZE + 1)
        found = json.loads(data) if len(data) <= bounds.CAPTURE_SIZE else {}
        results = found["results"] if found.get("format") == _FORMAT else {}
        return {str(digest): dict(one) for digest, one in results.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def share(site: Site, places: Places, target: str) -> Share | None:
    """The share of the live release of ``target``, or of its PKGDIR if nothing is published; None if it has neither.

    Raises RequestError, TreeError, InvalidIndexError, OSError.
    """
    known = load(places)
    tree, channel = site.tree(target), site.channel()
    live = tree.channels().get(channel)
    if live is not None:
        return _counted(f"release {live} of {channel}", tree.contents(live), known)
    pkgdir = site.settings.publishing.repository(target).pkgdir
    index = Path(pkgdir or "/", PLAIN_FORM)
    if pkgdir is None or not index.is_file():
        return None
    with index.open("rb") as file:
        return _counted(str(pkgdir), contents.parse(file.read(limits.INDEX_SIZE), str(index)), known)


def _counted(where: str, of: Contents, known: dict[str, dict[str, Any]]) -> Share:
    entries: Iterable[IndexEntry] = (of.entry(path) for path in of.entries)
    found = [known[digest] for one in entries if (digest := one.get("BLAKE2B").lower()) in known]
    return Share(where, len(of.entries), len(found), sum(bool(one.get("reproducible")) for one in found))

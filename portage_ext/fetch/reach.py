"""A binhost is tested as the fetcher would use it (is it reachable, is its Release trusted?), but nothing is remembered.

If a key is expired in the copy of this host, the copy of the binhost is used, because the next fetch would also take it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from portage_ext import files
from portage_ext.errors.trust import NotFoundError, OversizedFileError
from portage_ext.fetch import keys
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.index import accepted, small
from portage_ext.fetch.roots import followed
from portage_ext.limits import MAX_RELEASE_SIZE, MAX_SIGNATURE_SIZE
from portage_ext.model.release import PLAIN_FORM, Release
from portage_ext.trust import release as release_text
from portage_ext.trust.machine import Terms, without_release
from portage_ext.trust.release import RELEASE_NAME, SIGNATURE_NAME


def release_at(binrepo: Binrepo, base: str, now: int) -> Release | None:
    """Fetch the Release at ``base``; None if there is none and none is required. It is verified only if keys are pinned.

    ``now`` is in seconds since the epoch. Raises the TrustError with which a fetch would be refused, or MirrorError.
    """
    with followed(binrepo, base, now, keep=False) as (known, terms):
        return _release(known, terms, base, now)


def _release(binrepo: Binrepo, terms: Terms, base: str, now: int) -> Release | None:
    try:
        data = small(binrepo, base, RELEASE_NAME, MAX_RELEASE_SIZE)
    except NotFoundError:
        if terms.pins:
            without_release(terms, binrepo.state.load().seen)
        _index_is_there(binrepo, base)
        return None
    if not terms.pins:
        return release_text.parse(data, base)
    try:
        signature = small(binrepo, base, SIGNATURE_NAME, MAX_SIGNATURE_SIZE)
    except NotFoundError:
        signature = b""
    seen = binrepo.state.load().seen
    with files.temporary() as place:
        ring = Path(place) / "again.gpg"
        looking = replace(binrepo, passing=(ring, *binrepo.passing))

        def renew(wanted: frozenset[str]) -> bool:
            # If there is a root, ``followed`` has just fetched its keys from the binhost.
            return terms.root is None and keys.look_again(binrepo, base, wanted, ring)

        return accepted(looking, terms, seen, data, signature, now, renew).release


def _index_is_there(binrepo: Binrepo, base: str) -> None:
    """Raise NotFoundError if there is no index. At most one byte is allowed, so that the index itself is not transferred."""
    try:
        small(binrepo, base, PLAIN_FORM, 1)
    except OversizedFileError:
        return

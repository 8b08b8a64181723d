"""Is a binhost there, and would its Release be believed? Looked at as the fetcher looks, and nothing is remembered of it."""

from __future__ import annotations

from portage_ext.errors.trust import NotFoundError, OversizedFileError
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.index import small
from portage_ext.limits import MAX_RELEASE_SIZE, MAX_SIGNATURE_SIZE
from portage_ext.model.release import PLAIN_FORM, Release
from portage_ext.trust import gpg
from portage_ext.trust import release as release_text
from portage_ext.trust.machine import accept, without_release
from portage_ext.trust.release import RELEASE_NAME, SIGNATURE_NAME


def release_at(binrepo: Binrepo, base: str, now: int) -> Release | None:
    """The Release at ``base``: judged where keys are pinned, else as it stands there; None where there need not be one.

    Raises the TrustError that a fetch would be refused with, or the MirrorError.
    """
    terms = binrepo.terms()
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
    found = gpg.verify_detached(binrepo.keyrings(), signature, data) if signature else ()
    return accept(terms, binrepo.state.load().seen, data, found, now).release


def _index_is_there(binrepo: Binrepo, base: str) -> None:
    """Raises NotFoundError. One byte is allowed, so that an index is announced and not sent."""
    try:
        small(binrepo, base, PLAIN_FORM, 1)
    except OversizedFileError:
        return

"""A PKGDIR that clients read directly: sign its index, renew the signature before it expires, rotate the key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from portage_ext import files
from portage_ext.errors.here import NoReleaseMadeError
from portage_ext.host.pkgdir import index_lock, pkgdir_settings
from portage_ext.model.release import Release
from portage_ext.releases import in_place
from portage_ext.releases.in_place import ReleaseTerms
from portage_ext.releases.pool.released import PLACE, Released
from portage_ext.tasks.signing import signing
from portage_ext.tasks.site import Site
from portage_ext.trust.keyfiles import key_path
from portage_ext.trust.keyrings import fingerprint
from portage_ext.trust.signer import GpgSigner, SigningKey, public_key

_DAY = 86400


def current(pkgdir: Path | None = None) -> Release:
    """The Release of ``pkgdir`` (None: Portage's PKGDIR). Raises MissingReleaseError, MalformedReleaseError."""
    directory = pkgdir or pkgdir_settings(None).pkgdir
    release = in_place.current(directory)
    if release is None:
        raise NoReleaseMadeError(str(directory), "there is no Release")
    return release


def sign(
    site: Site,
    *,
    pkgdir: Path | None = None,
    key: str | None = None,
    homedir: Path | None = None,
    valid_days: int | None = None,
    channel: str | None = None,
    keys_next: Sequence[str] = (),
    at_least: int = 1,
    again: bool = False,
    force: bool = False,
) -> Release | None:
    """Publish the index of ``pkgdir`` (None: Portage's PKGDIR) under the next version, which is ``at_least`` that number.

    ``again``: publish the same index before its Release expires, and only when more than half of its validity is over, or with
    ``force``; None when it was not needed. ``keys_next`` are the keys that may sign the next Releases (none: as before). What
    is not given is as [sign] and [release] say. Raises GpgError, LockError, PkgdirError, TrustError, OSError.
    """
    # Only Portage's lock is needed, and only if Portage is installed.
    directory, defaults = pkgdir_settings(pkgdir).pkgdir, site.settings.release
    following, released = tuple(fingerprint(one) for one in keys_next), Released(site.eroot / PLACE)
    with signing(site, key=key, homedir=homedir) as by, index_lock(directory):
        terms = ReleaseTerms(
            validity=(valid_days or defaults.valid_days) * _DAY,
            channel=channel or defaults.channel,
            keys_next=following or None,
            at_least=at_least,
            signing=by.signer.primaries,
        )
        _publish_keys(directory, by.signer, (by.signer.key.primary, *following))
        if again:
            return in_place.resign(directory, terms, by.signer.sign_release, force=force, released=released)
        return in_place.make_release(directory, terms, by.signer.sign_release, released=released)


def _publish_keys(directory: Path, signer: GpgSigner, fingerprints: tuple[str, ...]) -> None:
    """Put the public keys where clients look for announced keys. Raises GpgError for a key that gpg does not have."""
    for one in dict.fromkeys(fingerprints):
        path = directory / key_path(one)
        data = public_key(signer.homedir, SigningKey(one, one))
        if not path.exists() or path.read_bytes() != data:
            files.make_directory(path.parent)
            files.replace_file(path, data)

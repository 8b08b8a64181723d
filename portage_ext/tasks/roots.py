"""Offline root keys: roots are made and signed on the machine with these keys, and published on a host without them.

Everything but :func:`publish` needs neither Portage nor a network.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from portage_ext.errors import RequestError, UsageError
from portage_ext.errors.here import NoRootMadeError
from portage_ext.errors.trust import (
    ForeignRepositoryError,
    GpgError,
    ThresholdError,
    TrustError,
    UndelegatedKeyError,
    UnsignedError,
    UntrustedKeyError,
)
from portage_ext.model.root import Root
from portage_ext.releases import roots
from portage_ext.releases.tree import Tree
from portage_ext.trust import manage
from portage_ext.trust.keyfiles import only
from portage_ext.trust.keyrings import fingerprint
from portage_ext.trust.root import key_name
from portage_ext.trust.signer import GpgSigner, signing_key

_DAY: Final = 86400
_INCOMPLETE: Final[tuple[type[TrustError], ...]] = (ThresholdError, UnsignedError, UntrustedKeyError)
"""Why a root that is still being signed is not valid yet."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The values of a new root. What is None or empty stays unchanged. Keys are whole fingerprints."""

    root_keys: Sequence[str] = ()
    root_threshold: int | None = None
    release_keys: Sequence[str] = ()
    release_threshold: int | None = None
    least_release: int | None = None
    valid_days: int = 365


def init(directory: Path, wanted: Wanted, *, repository: str | None = None, homedir: Path | None = None) -> Root:
    """Make the first root in ``directory``, to be signed next. Both kinds of keys must be given.

    ``repository`` is its id (None: one of its own). Raises UsageError, RequestError, GpgError, KeyFileError, TrustError,
    OSError.
    """
    _take_over(directory, homedir)
    before = _last_complete(directory)
    if before is not None:
        raise RequestError(f"{directory} already has root {before.version}; `portage-ext root next` makes the next one")
    keys = _keys(wanted.root_keys)
    if wanted.root_threshold is None and len(keys) > 1:
        raise UsageError("--root-threshold is needed with several root keys: how many of them must sign")
    first = Root(repository or os.urandom(16).hex(), 0, 0, 0, 1, 1, keys, 1, _keys(wanted.release_keys))
    return _made(directory, first, wanted, homedir)


def following(directory: Path, wanted: Wanted, *, homedir: Path | None = None) -> Root:
    """Make the root after the last one of ``directory``. Raises MissingRootError, else as :func:`init`."""
    _take_over(directory, homedir)
    before = _last_complete(directory)
    if before is None:
        raise NoRootMadeError(str(directory), "there is no root with all its signatures to go on from")
    return _made(directory, before, wanted, homedir)


def _made(directory: Path, before: Root, wanted: Wanted, homedir: Path | None) -> Root:
    now = int(time.time())
    made = replace(
        before,
        version=before.version + 1,
        created=now,
        expires=now + wanted.valid_days * _DAY,
        least_release=wanted.least_release or before.least_release,
        root_threshold=wanted.root_threshold or before.root_threshold,
        root_keys=_keys(wanted.root_keys) if wanted.root_keys else before.root_keys,
        release_threshold=wanted.release_threshold or before.release_threshold,
        release_keys=_keys(wanted.release_keys) if wanted.release_keys else before.release_keys,
    )
    if made.least_release < before.least_release:
        raise RequestError(f"--least-release cannot be below {before.least_release}, as in root {before.version}")
    roots.write(directory, made, _public_keys(directory, (*made.root_keys, *made.release_keys), homedir))
    return made


def _last_complete(directory: Path) -> Root | None:
    """The last root that clients would accept. A root without enough signatures is a draft and will be made again."""
    found = roots.versions(directory)
    while found:
        try:
            return roots.chain(directory, found[-1]).root
        except _INCOMPLETE:
            found.pop()
    return None


def _keys(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({fingerprint(one) for one in words}))


def _home(homedir: Path | None) -> Path:
    """The gpg home: the given one, GNUPGHOME, or the default."""
    return homedir or Path(os.environ.get("GNUPGHOME", "~/.gnupg")).expanduser()


def _take_over(directory: Path, homedir: Path | None) -> None:
    """Copy root keys that were prolonged in the gpg home to ``directory``."""
    roots.take_over(directory, lambda one: manage.present_in_portage(_home(homedir), one))


def _public_keys(directory: Path, fingerprints: Iterable[str], homedir: Path | None) -> dict[str, bytes]:
    """The public key of each, from the gpg home unless the directory has it already. Raises GpgError, KeyFileError."""
    found: dict[str, bytes] = {}
    home = _home(homedir)
    for one in fingerprints:
        data = manage.present_in_portage(home, one)
        if data:
            found[one] = only([data], one, f"the key {one}")
        elif not (directory / key_name(one)).is_file():
            raise GpgError("gpg", f"there is no public key {one} in {home}; compare its fingerprint, then import it")
    return found


def sign(directory: Path, keys: Sequence[str] = (), *, homedir: Path | None = None) -> None:
    """Sign the last root of ``directory`` with ``keys`` (none: every root key whose secret key gpg has).

    Raises MissingRootError, UndelegatedKeyError, GpgError, TrustError, OSError.
    """
    version = _newest(directory)
    _take_over(directory, homedir)
    offered = roots.read(directory, version)
    before = roots.chain(directory, version - 1).root if version > 1 else None
    if before is not None and before.repository != offered.root.repository:
        raise ForeignRepositoryError(str(directory), f"root {version} belongs to another repository than the roots before it")
    may = {*offered.root.root_keys, *(before.root_keys if before else ())}
    named = _keys(keys) if keys else tuple(sorted(may & manage.secret_keys(homedir)))
    if not set(named) <= may or not named:
        strange = sorted(set(named) - may)
        raise UndelegatedKeyError(
            str(directory), f"root {version} does not name {strange[0] if strange else 'a key of this gpg home'} as root key"
        )
    for one in sorted(set(named) - roots.signers(directory, version)):
        signature = GpgSigner(signing_key(homedir, one), homedir).detach(offered.data)
        roots.add_signature(directory, version, signature)


def _newest(directory: Path) -> int:
    found = roots.versions(directory)
    if not found:
        raise NoRootMadeError(str(directory), "there is no root")
    return found[-1]


@dataclass(frozen=True, slots=True)
class Shown:
    """The last root of a directory with its text, its signers, and why clients would refuse it (empty: they accept it)."""

    root: Root
    text: str
    signed: Sequence[str]
    lacking: str


def show(directory: Path) -> Shown:
    """Raises MissingRootError, TrustError, OSError."""
    version = _newest(directory)
    offered, signed, lacking = roots.read(directory, version), sorted(roots.signers(directory, version)), ""
    try:
        roots.chain(directory, version)
    except _INCOMPLETE as error:
        lacking = error.why
    return Shown(offered.root, offered.data.decode("ascii"), signed, lacking)


@dataclass(frozen=True, slots=True)
class Refused:
    """A Release that clients now refuse, because the new root does not name its signing key: its channel in a tree and its
    number, or None for a PKGDIR that is signed in place."""

    channel: str | None
    number: int


@dataclass(frozen=True, slots=True)
class PublishedRoot:
    """The published root, and the Releases that must be signed again."""

    root: Root
    refused: Sequence[Refused]


def publish(directory: Path, tree: Tree) -> PublishedRoot:
    """Put the roots of ``directory`` beside the channels of ``tree``, if clients will accept them.

    Raises TrustError, TreeError, LockError.
    """
    with tree.locked():
        known = tree.known()
        root = roots.publish(directory, tree.root, int(time.time()), known[max(known)].repository if known else None)
        for number in known:
            tree.link_root(tree.directory(number))
        refused = [
            Refused(channel, number)
            for channel, number in tree.channels().items()
            if not roots.accepts(root, tree.root, tree.directory(number), number)
        ]
    return PublishedRoot(root, refused)


def publish_in_place(directory: Path, pkgdir: Path) -> PublishedRoot:
    """As :func:`publish`, for a PKGDIR that is signed in place. Raises TrustError, PkgdirError, LockError, OSError."""
    from portage_ext.host.pkgdir import index_lock
    from portage_ext.releases.in_place import current

    with index_lock(pkgdir):
        release = current(pkgdir)
        root = roots.publish(directory, pkgdir, int(time.time()), release.repository if release else None)
        counts = release is None or roots.accepts(root, pkgdir, pkgdir, release.version)
    return PublishedRoot(root, [] if counts or release is None else [Refused(None, release.version)])

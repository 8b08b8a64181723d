"""The roots of a repository as files: made and signed on the machine with the root keys, published on a host without them.

::

    DIRECTORY/
        1  1.asc  2  2.asc …    roots, and their signatures: armored ones, one behind the other
        keys/FPR.asc            the public keys that they name

The directory on the offline machine and the published directory have the same layout. Publishing copies what is new, after the
whole chain has passed the checks of clients. What clients would refuse is refused here, and then nothing is changed.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from portage_ext import files, limits
from portage_ext.errors.here import IncompleteRootsError, NoRootMadeError
from portage_ext.errors.releases import ExpiringRootKeyError
from portage_ext.errors.trust import (
    EquivocationError,
    ForeignRepositoryError,
    GpgError,
    RootRollbackError,
    ThresholdError,
    TrustError,
    UndelegatedKeyError,
    UnknownKeyError,
    UntrustedKeyError,
)
from portage_ext.model.release import FINGERPRINT
from portage_ext.model.root import Root
from portage_ext.records import record
from portage_ext.trust import gpg, openpgp, roots
from portage_ext.trust import root as root_text
from portage_ext.trust.keyfiles import joined, only, read_keys
from portage_ext.trust.keyrings import RootPins, read_key_file
from portage_ext.trust.release import RELEASE_NAME, SIGNATURE_NAME
from portage_ext.trust.root import ROOT_DIRECTORY, ROOT_KEYS, key_name, root_name, signature_name
from portage_ext.trust.roots import Believed
from portage_ext.words import day

_VERSION: Final = re.compile(r"[1-9][0-9]{0,6}")


@record
class Offered:
    """A root from a directory, and its signatures (empty: none yet)."""

    root: Root
    data: bytes
    signatures: bytes


def versions(directory: Path) -> list[int]:
    """The existing versions, in order."""
    try:
        return sorted(int(name) for name in os.listdir(directory) if _VERSION.fullmatch(name))
    except FileNotFoundError:
        return []


def read(directory: Path, version: int) -> Offered:
    """Root ``version`` of ``directory``. Raises MalformedRootError, OSError."""
    path = directory / root_name(version)
    data = _bounded(path, limits.MAX_ROOT_SIZE)
    signatures = b""
    with contextlib.suppress(FileNotFoundError):
        signatures = _bounded(directory / signature_name(version), limits.MAX_SIGNATURE_SIZE)
    return Offered(root_text.parse(data, str(path)), data, signatures)


def _bounded(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)


def newest(directory: Path) -> Root | None:
    """The last root of ``directory``, unchecked; None if there is none. Raises MalformedRootError, OSError."""
    found = versions(directory)
    return read(directory, found[-1]).root if found else None


def beside(base: Path) -> Root | None:
    """The last root that is published in ``base``: a tree, or a PKGDIR that is signed in place."""
    return newest(base / ROOT_DIRECTORY)


@contextlib.contextmanager
def keyring(directory: Path, keys: Collection[str], checked: dict[str, bytes] | None = None) -> Iterator[Path]:
    """A keyring file with the ``keys`` that ``directory`` has. Raises KeyFileError, GpgError.

    ``checked`` keeps them for the next keyring of a caller that makes several: gpg runs four times for each.
    """
    checked = {} if checked is None else checked
    for key in keys:
        path = directory / key_name(key)
        if key not in checked and path.is_file():
            checked[key] = only([read_key_file(path)], key, str(path))
    with files.temporary() as place:
        ring = Path(place) / "root.gpg"
        ring.write_bytes(joined({key: checked[key] for key in keys if key in checked}))
        yield ring


def signers(directory: Path, version: int) -> frozenset[str]:
    """The root keys, its own and those of the root before it, that have signed root ``version``; it may be none.

    Raises BadSignatureError.
    """
    offered = read(directory, version)
    named = frozenset(offered.root.root_keys)
    if version > 1:
        named |= frozenset(read(directory, version - 1).root.root_keys)
    if not offered.signatures:
        return frozenset()
    with keyring(directory, named) as ring:
        found = gpg.verify_detached([ring], offered.signatures, offered.data)
    try:
        return openpgp.vouching(found, named, 1, str(directory / root_name(version)))
    except (UnknownKeyError, UntrustedKeyError):
        return frozenset()


def chain(directory: Path, last: int | None = None) -> Believed:
    """Root ``last`` of ``directory`` (None: the last), after it and each root before it have passed the checks of clients.

    Raises a TrustError.
    """
    where = str(directory)
    found = [version for version in versions(directory) if last is None or version <= last]
    if not found:
        raise NoRootMadeError(where, "there is no root")
    first = read(directory, 1).root if found[0] == 1 else None
    if first is None or found != list(range(1, len(found) + 1)):
        raise IncompleteRootsError(where, f"one of the roots before {found[-1]} is missing")
    believed: Believed | RootPins = RootPins(frozenset(first.root_keys), first.root_threshold)
    checked: dict[str, bytes] = {}
    for version in found:
        offered = read(directory, version)
        keys = {*offered.root.root_keys, *(believed.root.root_keys if isinstance(believed, Believed) else ())}
        place = f"{where}/{root_name(version)}"
        with keyring(directory, keys, checked) as ring:
            verdicts = gpg.verify_detached([ring], offered.signatures, offered.data) if offered.signatures else ()
        believed = roots.accept(place, believed, version, offered.data, verdicts)
    assert isinstance(believed, Believed)
    return believed


def publish(source: Path, base: Path, now: int, repository: str | None) -> Root:
    """Put the roots of ``source`` below ``base``, where ``repository`` is published (None: nothing yet).

    The caller holds the lock of what it publishes into. Raises a TrustError for what clients would refuse, OSError.
    """
    target = base / ROOT_DIRECTORY
    last = chain(source).root
    where = str(target)
    roots.in_time(str(source), last, now)
    if repository is not None and last.repository != repository:
        raise ForeignRepositoryError(str(source), f"it belongs to repository {last.repository}, but {base} to {repository}")
    there = versions(target)
    if there and there[-1] > last.version:
        raise RootRollbackError(str(source), f"its last root is {last.version}, but {where} already has root {there[-1]}")
    for version in there:
        if read(source, version).data != read(target, version).data:
            raise EquivocationError(str(source), f"its root {version} differs from the one that is published in {where}")
    lacking = [key for key in (*last.root_keys, *last.release_keys) if not (source / key_name(key)).is_file()]
    if lacking:
        raise IncompleteRootsError(str(source), f"the public key {lacking[0]}, which the root names, is not in {ROOT_KEYS}/")
    _copy(source, target, versions(source), {*last.root_keys, *last.release_keys})
    return last


def _copy(source: Path, target: Path, found: list[int], keys: Collection[str]) -> None:
    """Write keys, then signatures, then roots, because clients ask for roots first.

    No key file is copied unchanged, because it may contain a secret key. Raises KeyFileError.
    """
    named = {*keys, *(key for version in found for key in read(source, version).root.root_keys)}
    paths = {key_name(key): (key, source / key_name(key)) for key in sorted(named)}
    published = {name: only([read_key_file(path)], key, str(path)) for name, (key, path) in paths.items() if path.is_file()}
    texts = [*map(signature_name, found), *map(root_name, found)]
    files.make_directory(target / ROOT_KEYS)
    for name, data in {**published, **{name: (source / name).read_bytes() for name in texts}}.items():
        if not (target / name).is_file() or (target / name).read_bytes() != data:
            files.replace_file(target / name, data)


def check_release(root: Root, where: str, repository: str, version: int, signing: Collection[str], now: int) -> None:
    """Check that clients that follow ``root`` accept a Release by these primary keys. Raises a TrustError."""
    roots.in_time(where, root, now)
    if repository != root.repository:
        raise ForeignRepositoryError(where, f"its root belongs to repository {root.repository}, the Release to {repository}")
    if version < root.least_release:
        raise RootRollbackError(where, f"its root accepts no Release before {root.least_release}, and this is {version}")
    named = frozenset(signing) & frozenset(root.release_keys)
    if not named:
        raise UndelegatedKeyError(where, f"its root {root.version} does not name {' or '.join(sorted(signing))}")
    if len(named) < root.release_threshold:
        raise ThresholdError(
            where,
            f"its root requires {root.release_threshold} signatures, but {len(named)} would be made; see [release] cosign",
        )


def accepts(root: Root, base: Path, release: Path, version: int) -> bool:
    """Whether clients that follow ``root``, published in ``base``, accept the Release in the directory ``release``.

    Raises GpgError where gpg cannot say: that is no refusal.
    """
    keys = frozenset(root.release_keys)
    try:
        with keyring(base / ROOT_DIRECTORY, keys) as ring:
            signature = _bounded(release / SIGNATURE_NAME, limits.MAX_SIGNATURE_SIZE)
            found = gpg.verify_detached([ring], signature, (release / RELEASE_NAME).read_bytes())
        openpgp.vouching(found, keys, root.release_threshold, str(release))
    except GpgError:
        raise
    except (TrustError, FileNotFoundError):
        return False
    return version >= root.least_release


def add_signature(directory: Path, version: int, signature: bytes) -> None:
    """Add an armored signature to root ``version``. Raises OSError."""
    there = read(directory, version).signatures
    files.replace_file(directory / signature_name(version), there + signature)


def take_over(directory: Path, present: Callable[[str], bytes]) -> None:
    """Update the public keys of ``directory`` to those in ``present`` (empty: no change).

    This is needed after a key was prolonged: gpg does not accept its new signatures with the old key. Raises KeyFileError,
    GpgError.
    """
    for path in sorted((directory / ROOT_KEYS).glob("*.asc")):
        if FINGERPRINT.fullmatch(path.stem) and (data := present(path.stem)):
            before = read_key_file(path)
            after = only([before, data], path.stem, str(path))
            if after != before:
                files.replace_file(path, after)


def _without_expiry(root: Root, directory: Path, keys: Mapping[str, bytes]) -> None:
    """Raises ExpiringRootKeyError."""
    for one in root.root_keys:
        path = directory / key_name(one)
        for key in read_keys(keys[one] if one in keys else read_key_file(path)):
            if key.primary == one and key.expires:
                raise ExpiringRootKeyError(str(directory), one, day(key.expires))


def write(directory: Path, root: Root, keys: Mapping[str, bytes]) -> None:
    """Write ``root``, unsigned, as next in ``directory``, with public ``keys`` by fingerprint. Raises TrustError, OSError."""
    data = root_text.emit(root)
    root_text.parse(data, str(directory / root_name(root.version)))
    _without_expiry(root, directory, keys)
    files.make_directory(directory / ROOT_KEYS)
    for fingerprint, key in keys.items():
        files.replace_file(directory / key_name(fingerprint), key)
    (directory / signature_name(root.version)).unlink(missing_ok=True)
    files.replace_file(directory / root_name(root.version), data)

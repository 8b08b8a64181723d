"""A Release in the same directory as its index: the index is written first, then the signature, then the Release.

A reader that comes in between sees a Release that does not match its signature or its index, and asks again a moment later.
It never accepts anything that was not signed.
"""

from __future__ import annotations

import gzip
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from portage_ext import files, limits
from portage_ext.errors import PkgdirError
from portage_ext.errors.trust import DamagedIndexError, MalformedReleaseError
from portage_ext.index.expand import expand
from portage_ext.index.forms import permissions
from portage_ext.index.text import parse_index
from portage_ext.model.release import PLAIN_FORM, Release
from portage_ext.releases import roots
from portage_ext.releases.pool.released import Released
from portage_ext.trust import entries, next_release
from portage_ext.trust import release as text
from portage_ext.trust.release import RELEASE_NAME, SIGNATURE_NAME

Detach = Callable[[bytes], bytes]
"""Makes an armored detached signature."""


@dataclass(frozen=True, slots=True)
class ReleaseTerms:
    """The administrator's choices: validity in seconds, channel, the keys that may sign next (None: unchanged)."""

    validity: int
    channel: str
    keys_next: tuple[str, ...] | None = None
    at_least: int = 1
    signing: frozenset[str] = frozenset()
    """The primary keys that sign it. A root in the directory must name them."""


def current(directory: Path) -> Release | None:
    """The Release in ``directory``, None when there is none. Raises MalformedReleaseError."""
    try:
        data = (directory / RELEASE_NAME).read_bytes()
    except FileNotFoundError:
        return None
    return text.parse(data, str(directory / RELEASE_NAME))


def make_release(
    directory: Path, terms: ReleaseTerms, detach: Detach, now: int | None = None, *, released: Released | None = None
) -> Release:
    """Publish the index in ``directory`` under the next version. The caller holds the lock of the directory.

    Raises TrustError when the index is not one that clients would accept, ChangedReleaseError, GpgError, OSError.
    """
    clock = int(time.time()) if now is None else now
    forms = _forms(directory)
    _acceptable(directory, forms[PLAIN_FORM], clock)
    root, before = roots.beside(directory), current(directory)
    if released is not None and before is not None:
        released.check(directory, before)
    release = next_release.next_release(
        before,
        next_release.index_files(forms),
        now=clock,
        validity=terms.validity,
        channel=terms.channel,
        keys_next=terms.keys_next,
        at_least=max(terms.at_least, root.least_release if root else 1),
        repository=root.repository if root else None,
    )
    if root is not None:
        roots.check_release(root, str(directory), release.repository, release.version, terms.signing, clock)
    if released is not None:
        released.add(directory, release)
    _write(directory, release, detach)
    return release


def resign(
    directory: Path,
    terms: ReleaseTerms,
    detach: Detach,
    *,
    force: bool = False,
    now: int | None = None,
    released: Released | None = None,
) -> Release | None:
    """Publish the same index under the next version, if more than half of the validity is over, if the root beside it does
    not accept its signature, or with ``force``.

    Returns None if that is not needed. Raises what :func:`make_release` raises, and MalformedReleaseError if there is no
    Release yet or if the index has changed since.
    """
    clock = int(time.time()) if now is None else now
    before = current(directory)
    if before is None:
        raise MalformedReleaseError(str(directory), "there is no Release to renew")
    if next_release.index_files(_forms(directory)) != before.files:
        raise MalformedReleaseError(str(directory), "the index has changed since its Release; run `portage-ext release sign`")
    root = roots.beside(directory)
    counts = root is None or roots.accepts(root, directory, directory, before.version)
    if counts and not (force or next_release.needs_renewal(before, clock)):
        return None
    return make_release(directory, terms, detach, clock, released=released)


def _write(directory: Path, release: Release, detach: Detach) -> None:
    data = text.emit(release)
    text.parse(data)
    signature = detach(data)
    mode, group = permissions(directory)
    files.replace_file(directory / SIGNATURE_NAME, signature, mode=mode, group=group)
    files.replace_file(directory / RELEASE_NAME, data, mode=mode, group=group)


def _forms(directory: Path) -> dict[str, bytes]:
    """The existing forms of the index. Forms with other content than Packages are written again."""
    import zstandard

    try:
        plain = (directory / PLAIN_FORM).read_bytes()
    except FileNotFoundError:
        raise PkgdirError(str(directory), "there is no index; run `portage-ext reindex`") from None
    if len(plain) > limits.MAX_OFFERED_INDEX:
        raise PkgdirError(str(directory), f"its index is larger than {limits.MAX_OFFERED_INDEX} bytes")
    forms = {PLAIN_FORM: plain}
    mode, group = permissions(directory)
    makers: dict[str, Callable[[], bytes]] = {
        "Packages.gz": lambda: gzip.compress(plain, 6, mtime=0),
        "Packages.zst": lambda: zstandard.ZstdCompressor(level=9).compress(plain),
    }
    for name, make in makers.items():
        path = directory / name
        found = path.read_bytes() if path.exists() else b""
        if not found or not _holds(name, found, plain):
            found = make()
            files.replace_file(path, found, mode=mode, group=group)
        forms[name] = found
    return forms


def _holds(name: str, data: bytes, plain: bytes) -> bool:
    try:
        return expand(name, data, len(plain), name) == plain
    except DamagedIndexError:
        return False


def _acceptable(directory: Path, plain: bytes, now: int) -> None:
    """Raises the TrustError for which a client would leave out an entry, so that only usable entries are published."""
    header, offered = parse_index(io.BytesIO(plain), str(directory / PLAIN_FORM))
    entries.check_header(str(directory), {**header, "URI": ""}, (), now)
    clean = entries.sanitise(str(directory), header, offered, strong=True)
    if clean.left_out:
        raise clean.left_out[0]

"""A signed package must match its clear-signed Manifest, and the signature of the Manifest must be accepted.

The Manifest lists every other member with BLAKE2B and SHA512, so one signature binds all of them. The detached signatures after
the inner archives repeat it for readers of a single archive. They must exist, because Portage requires them. One gpg checks
many packages, because starting gpg costs more than each check. The next packages are read while it runs, and two batches are
judged at once, so that a judge must bear to be called by two threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors import PackageError, PortageExtError
from portage_ext.errors.trust import TrustError, UnsignedError
from portage_ext.gpkg.container import SIGNATURE_SUFFIX, Container, check_members, covered, read_container
from portage_ext.gpkg.source import HEAD, Source, open_package
from portage_ext.model import STRONG
from portage_ext.model.digest import many

Judge = Callable[[Sequence[bytes], Sequence[str]], Sequence[PortageExtError | None]]
"""Takes clear-signed texts with their names, also in two threads at once.

Returns for each the reason why it is not accepted, or None if it is.
"""

XPAK_UNSIGNED: Final = "the xpak format cannot be signed; convert the package to gpkg (docs/xpak-to-gpkg.md)"
_BATCH: Final = 256
_JUDGED: Final = 2
"""Batches that are judged at once. No gpg waits for the last of a batch, or until its words are understood."""
_TOGETHER: Final = 32
"""Packages whose digests are computed side by side, in one thread."""


def verify_packages(
    paths: Iterable[Path], judge: Judge, *, digests: bool = True, jobs: int = 0
) -> Mapping[Path, PortageExtError | None]:
    """Verify the packages ``paths``. Returns for each the reason why it is not accepted, or None if it is.

    With ``digests``, the payload is hashed and compared too. ``jobs`` files are read at once (0: one per CPU).
    """
    verdicts: dict[Path, PortageExtError | None] = {}
    every = list(paths)
    judged: deque[tuple[list[Path], Future[Sequence[PortageExtError | None]]]] = deque()

    def finished() -> None:
        some, errors = judged.popleft()
        verdicts.update(zip(some, errors.result(), strict=True))

    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool, ThreadPoolExecutor(_JUDGED) as gpg:
        for start in range(0, len(every), _BATCH):
            batch = every[start : start + _BATCH]
            pieces = [batch[at : at + _TOGETHER] for at in range(0, len(batch), _TOGETHER)]
            read = list(chain.from_iterable(pool.map(lambda some: _manifests(some, digests), pieces)))
            if len(judged) == _JUDGED:
                finished()
            signed = [(path, data) for path, data in zip(batch, read, strict=True) if isinstance(data, bytes)]
            verdicts.update((path, error) for path, error in zip(batch, read, strict=True) if not isinstance(error, bytes))
            names = [str(path) for path, _ in signed]
            judged.append(([path for path, _ in signed], gpg.submit(judge, [data for _, data in signed], names)))
        while judged:
            finished()
    _free.clear()
    return verdicts


_free: list[memoryview] = []
"""Memory that packages are read to; kept for a run, because new memory costs more than to fill it. Each user takes it out."""


def _manifests(paths: Sequence[Path], digests: bool) -> list[bytes | PortageExtError]:
    """Compare every part of packages with their clear-signed Manifests. Returns each Manifest, or why it cannot be used."""
    try:
        memory = _free.pop()
    except IndexError:
        memory = memoryview(bytearray(limits.TOGETHER_BYTES))
    try:
        if not digests:
            return [_manifest(path, lambda source, container: None, memory[:HEAD]) for path in paths]
        found: list[bytes | PortageExtError] = []
        while len(found) < len(paths):
            found += _compared(paths[len(found) :], memory)
        return found
    finally:
        _free.append(memory)


def _compared(paths: Sequence[Path], memory: memoryview) -> list[bytes | PortageExtError]:
    """As :func:`_manifests` with digests, for as many of ``paths``, from the first on, as have room in ``memory``."""
    pieces: list[memoryview] = []
    said: dict[str, list[str]] = {name: [] for name in STRONG}
    owners: list[int] = []
    found: list[bytes | PortageExtError] = []
    used = 0

    def later(source: Source, container: Container) -> None:
        nonlocal used
        whole = source.whole
        if whole is None:
            check_members(source, container, image=True)
        else:
            used += len(whole)
            for _, member, record in covered(container, image=True):
                pieces.append(whole[member.offset : member.offset + member.size])
                owners.append(len(found))
                said["BLAKE2B"].append(record.blake2b)
                said["SHA512"].append(record.sha512)
        source.unchanged()

    for path in paths:
        if used + limits.TOGETHER_SIZE > len(memory):
            break
        found.append(_manifest(path, later, memory[used : used + limits.TOGETHER_SIZE]))
    wrong = {
        owner
        for name in STRONG
        for owner, value, right in zip(owners, many(name, pieces), said[name], strict=True)
        if value != right
    }
    for number in wrong:
        # It is read again, to say what is wrong.
        found[number] = _manifest(paths[number], lambda source, container: check_members(source, container, image=True))
    return found


def _manifest(
    path: Path, check: Callable[[Source, Container], None], memory: memoryview | None = None
) -> bytes | PortageExtError:
    """The Manifest of a package that ``check`` accepts, or why it cannot be used. It is read to ``memory``."""
    try:
        fd = open_package(path)
    except PortageExtError as error:
        return error
    try:
        source = Source(fd, str(path), memory)
        container = read_container(source)
        _signed(source.name, container)
        check(source, container)
        return container.manifest_data
    except PortageExtError as error:
        return error
    finally:
        os.close(fd)


def _signed(name: str, container: Container) -> None:
    if container.manifest.signature is None:
        raise UnsignedError(name, "its Manifest is not signed")
    for archive in (container.metadata, container.image):
        member = archive.member.name.rpartition("/")[2]
        if member + SIGNATURE_SUFFIX not in container.members:
            raise UnsignedError(name, f"{member} has no signature")


def reason(error: PortageExtError) -> str:
    """The reason why a package of this host is not accepted, without its path.

    Advice for clients (use another mirror or binhost) is left out, because it does not help the publisher.
    """
    if isinstance(error, TrustError):
        return f"{error.why} [{error.kind}]"
    return error.reason if isinstance(error, PackageError) else str(error)

"""A signed package must match its clear-signed Manifest, and the signature of the Manifest must be accepted.

The Manifest lists every other member with BLAKE2B and SHA512, so one signature binds all of them. The detached signatures after
the inner archives repeat it for readers of a single archive. They must exist, because Portage requires them. One gpg checks
many packages, because starting gpg costs more than each check. The next packages are read while it runs, and two batches are
judged at once, so that a judge must bear to be called by two threads.

Whether the members match the Manifest depends on the bytes of a package only. So what was found of them holds for any file that
has the same bytes; whether the Manifest's signature is accepted is asked of the judge each time (ADR 0303).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

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

Matched = dict[bytes, tuple[int, int]]
"""Packages whose members all match their clear-signed Manifest: by the BLAKE2B of all bytes of the package, the offset and the
size of its Manifest. It is kept in memory, for one process."""

XPAK_UNSIGNED: Final = "the xpak format cannot be signed; convert the package to gpkg (docs/xpak-to-gpkg.md)"
T = TypeVar("T")

_BATCH: Final = 256
_JUDGED: Final = 2
"""Batches that are judged at once. No gpg waits for the last of a batch, or until its words are understood."""
_TOGETHER: Final = 32
"""Packages whose digests are computed side by side, in one thread."""


def verify_packages(
    paths: Iterable[Path], judge: Judge, *, digests: bool = True, jobs: int = 0, matched: Matched | None = None
) -> Mapping[Path, PortageExtError | None]:
    """Verify the packages ``paths``. Returns for each the reason why it is not accepted, or None if it is.

    With ``digests``, the payload is hashed and compared too, except that of packages whose bytes are in ``matched``. Without
    it, packages of usual size that match are added to ``matched``, which changes no verdict. ``jobs`` files are read at once
    (0: one per CPU).
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
            read = list(chain.from_iterable(pool.map(lambda some: _manifests(some, digests, matched), pieces)))
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


def _manifests(paths: Sequence[Path], digests: bool, matched: Matched | None) -> list[bytes | PortageExtError]:
    """Compare every part of packages with their clear-signed Manifests. Returns each Manifest, or why it cannot be used."""
    try:
        memory = _free.pop()
    except IndexError:
        memory = memoryview(bytearray(limits.TOGETHER_BYTES))
    try:
        if not digests:
            if matched is None:
                return [_manifest(path, lambda source, container: None, memory[:HEAD]) for path in paths]
            return _in_turn(paths, lambda some: _noted(some, memory, matched))
        known = _in_turn(paths, lambda some: _taken_over(some, memory, matched)) if matched else [None] * len(paths)
        others = [path for path, manifest in zip(paths, known, strict=True) if manifest is None]
        compared = iter(_in_turn(others, lambda some: _compared(some, memory)))
        return [next(compared) if manifest is None else manifest for manifest in known]
    finally:
        _free.append(memory)


def _in_turn(paths: Sequence[Path], some: Callable[[Sequence[Path]], list[T]]) -> list[T]:
    """What ``some`` returns for all ``paths``, where one call handles as many, from the first on, as have room in memory."""
    found: list[T] = []
    while len(found) < len(paths):
        found += some(paths[len(found) :])
    return found


class _Members:
    """Members of packages in memory, and what the Manifests say of them."""

    def __init__(self) -> None:
        self._pieces: list[memoryview] = []
        self._said: dict[str, list[str]] = {name: [] for name in STRONG}
        self._owners: list[int] = []

    def add(self, owner: int, whole: memoryview, container: Container) -> None:
        """The members of the package with the number ``owner``."""
        for _, member, record in covered(container, image=True):
            self._pieces.append(whole[member.offset : member.offset + member.size])
            self._owners.append(owner)
            self._said["BLAKE2B"].append(record.blake2b)
            self._said["SHA512"].append(record.sha512)

    def wrong(self) -> set[int]:
        """The owners with a member that does not match; digests are computed side by side."""
        return {
            owner
            for name in STRONG
            for owner, value, right in zip(self._owners, many(name, self._pieces), self._said[name], strict=True)
            if value != right
        }


def _compared(paths: Sequence[Path], memory: memoryview) -> list[bytes | PortageExtError]:
    """As :func:`_manifests` with digests, for as many of ``paths``, from the first on, as have room in ``memory``."""
    parts = _Members()
    found: list[bytes | PortageExtError] = []
    used = 0

    def later(source: Source, container: Container) -> None:
        nonlocal used
        whole = source.whole
        if whole is None:
            check_members(source, container, image=True)
        else:
            used += len(whole)
            parts.add(len(found), whole, container)
        source.unchanged()

    for path in paths:
        if used + limits.TOGETHER_SIZE > len(memory):
            break
        found.append(_manifest(path, later, memory[used : used + limits.TOGETHER_SIZE]))
    for number in parts.wrong():
        # It is read again, to say what is wrong.
        found[number] = _manifest(paths[number], lambda source, container: check_members(source, container, image=True))
    return found


def _noted(paths: Sequence[Path], memory: memoryview, matched: Matched) -> list[bytes | PortageExtError]:
    """As :func:`_manifests` without digests; what matches is added to ``matched``. Large packages are not read for that."""
    parts = _Members()
    found: list[bytes | PortageExtError] = []
    wholes: dict[int, tuple[memoryview, tuple[int, int]]] = {}
    used = 0

    def note(source: Source, container: Container) -> None:
        nonlocal used
        whole, place = source.whole, container.members["Manifest"]
        if whole is not None:
            used += len(whole)
            parts.add(len(found), whole, container)
            wholes[len(found)] = whole, (place.offset, place.size)

    for path in paths:
        if used + limits.TOGETHER_SIZE > len(memory):
            break
        found.append(_manifest(path, note, memory[used : used + limits.TOGETHER_SIZE], large=HEAD))
    values = many("BLAKE2B", [whole for whole, _ in wholes.values()])
    wrong = parts.wrong()
    for (number, (_, place)), value in zip(wholes.items(), values, strict=True):
        if number not in wrong:
            matched[bytes.fromhex(value)] = place
    return found


def _taken_over(paths: Sequence[Path], memory: memoryview, matched: Matched) -> list[bytes | None]:
    """The Manifest of each package whose bytes are in ``matched``, else None; for as many as have room in ``memory``."""
    found: list[bytes | None] = []
    wholes: dict[int, memoryview] = {}
    used = 0
    for path in paths:
        if used + limits.TOGETHER_SIZE > len(memory):
            break
        whole = _whole(path, memory[used : used + limits.TOGETHER_SIZE])
        if whole is not None:
            used += len(whole)
            wholes[len(found)] = whole
        found.append(None)
    for (number, whole), value in zip(wholes.items(), many("BLAKE2B", list(wholes.values())), strict=True):
        place = matched.get(bytes.fromhex(value))
        if place is not None:
            found[number] = bytes(whole[place[0] : place[0] + place[1]])
    return found


def _whole(path: Path, memory: memoryview) -> memoryview | None:
    """All bytes of the file at ``path``, read to ``memory``; None if they have no room there, or if it cannot be read."""
    try:
        fd = open_package(path)
    except PortageExtError:
        return None
    try:
        if os.fstat(fd).st_size > len(memory):
            return None
        source = Source(fd, str(path), memory)
        source.unchanged()
        return source.whole
    except PortageExtError:
        return None
    finally:
        os.close(fd)


def _manifest(
    path: Path, check: Callable[[Source, Container], None], memory: memoryview | None = None, *, large: int | None = None
) -> bytes | PortageExtError:
    """The Manifest of a package that ``check`` accepts, or why it cannot be used. It is read to ``memory``; of a file that has
    no room there only the first ``large`` bytes."""
    try:
        fd = open_package(path)
    except PortageExtError as error:
        return error
    try:
        if memory is not None and large is not None and os.fstat(fd).st_size > len(memory):
            memory = memory[:large]
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

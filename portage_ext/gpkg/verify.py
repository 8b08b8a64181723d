"""A signed package must match its clear-signed Manifest, and the signature of the Manifest must be accepted.

The Manifest lists every other member with BLAKE2B and SHA512, so one signature binds all of them. The detached signatures after
the inner archives repeat it for readers of a single archive. They must exist, because Portage requires them. One gpg checks
many packages, because starting gpg costs more than each check.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from portage_ext.errors import PackageError, PortageExtError
from portage_ext.errors.trust import TrustError, UnsignedError
from portage_ext.gpkg.container import SIGNATURE_SUFFIX, Container, check_members, read_container
from portage_ext.gpkg.source import Source, open_package

Judge = Callable[[Sequence[bytes], Sequence[str]], Sequence[PortageExtError | None]]
"""Takes clear-signed texts with their names. Returns for each the reason why it is not accepted, or None if it is."""

XPAK_UNSIGNED: Final = "the xpak format cannot be signed; convert the package to gpkg (docs/xpak-to-gpkg.md)"
_BATCH: Final = 512


def verify_packages(
    paths: Iterable[Path], judge: Judge, *, digests: bool = True, jobs: int = 0
) -> Mapping[Path, PortageExtError | None]:
    """Verify the packages ``paths``. Returns for each the reason why it is not accepted, or None if it is.

    With ``digests``, the payload is hashed and compared too. ``jobs`` files are read at once (0: one per CPU).
    """
    verdicts: dict[Path, PortageExtError | None] = {}
    every = list(paths)
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        for start in range(0, len(every), _BATCH):
            batch = every[start : start + _BATCH]
            read = list(pool.map(lambda path: _manifest(path, digests), batch))
            signed = [(path, data) for path, data in zip(batch, read, strict=True) if isinstance(data, bytes)]
            verdicts.update((path, error) for path, error in zip(batch, read, strict=True) if not isinstance(error, bytes))
            judged = judge([data for _, data in signed], [str(path) for path, _ in signed])
            verdicts.update((path, error) for (path, _), error in zip(signed, judged, strict=True))
    return verdicts


def _manifest(path: Path, digests: bool) -> bytes | PortageExtError:
    """Compare every part of a package with its clear-signed Manifest. Returns the Manifest, or why it cannot be used."""
    try:
        fd = open_package(path)
    except PortageExtError as error:
        return error
    try:
        source = Source(fd, str(path))
        container = read_container(source)
        _signed(source.name, container)
        if digests:
            check_members(source, container, image=True)
            source.unchanged()
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

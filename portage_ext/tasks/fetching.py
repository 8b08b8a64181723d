"""One file of a binrepo, fetched and verified: its index as Portage may see it, or a package that the verified index lists."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Final, Protocol

from portage_ext import files
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.records import record
from portage_ext.tasks.site import Site

_INDEX_NAMES: Final = ("Packages.gz", "Packages")


class Listener(Protocol):
    """Receives the progress of a transfer."""

    def expect(self, size: int) -> None:
        """The file has ``size`` bytes."""

    def advance(self, count: int) -> None:
        """``count`` more bytes have arrived."""

    def warn(self, text: str) -> None:
        """Something was refused, or an attempt failed."""


class _Nobody:
    """A listener that ignores everything."""

    def expect(self, size: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def warn(self, text: str) -> None: ...


_NOBODY: Final = _Nobody()


@record
class FetchedIndex:
    """The index of ``binrepo`` was fetched; ``fresh`` is False if it has not changed."""

    binrepo: str
    fresh: bool


@record
class FetchedPackage:
    """The package ``path`` of ``size`` bytes was fetched from the base URL ``mirror``, which sent ``received`` bytes: fewer for
    a delta."""

    path: str
    size: int
    mirror: str
    received: int


def fetch(
    site: Site, binrepo: str, uri: str, output: Path, *, resume: bool = False, listener: Listener = _NOBODY
) -> FetchedIndex | FetchedPackage:
    """Fetch ``uri``, an index or a package of ``binrepo``, into ``output``.

    ``resume``: continue an existing partial file. Raises the TrustError that refused it, AllMirrorsFailedError,
    UnknownPackageError, LockError, UsageError, OSError.
    """
    base, _, file = uri.rpartition("/")
    try:
        with site.binrepo(binrepo, base, warn=listener.warn, progress=listener.advance) as opened:
            if file in _INDEX_NAMES:
                return _index(opened, file, output)
            return _package(opened, uri, output, resume=resume, listener=listener)
    finally:
        _remove_empty(output)


def _remove_empty(output: Path) -> None:
    """Portage creates the file for an index in /tmp beforehand, and never removes it if the index could not be fetched."""
    with contextlib.suppress(OSError):
        if output.stat().st_size == 0:
            files.discard(output)


def _index(binrepo: Binrepo, file: str, output: Path) -> FetchedIndex:
    # Imported here: a package is fetched in a process of its own, which needs none of it.
    import gzip

    from portage_ext.fetch.index import obtain

    obtained = obtain(binrepo, int(time.time()))
    # Portage reads this temporary copy once and removes it, so an atomic rename would gain nothing.
    with output.open("wb") as out:
        out.write(gzip.compress(obtained.text, 1, mtime=0) if file.endswith(".gz") else obtained.text)
    return FetchedIndex(binrepo.name, obtained.fresh)


def _package(binrepo: Binrepo, uri: str, output: Path, *, resume: bool, listener: Listener) -> FetchedPackage:
    from portage_ext.fetch import package
    from portage_ext.records import replace

    wanted = package.entry_for(binrepo, uri)
    listener.expect(wanted.entry.size)
    binrepo, size = replace(binrepo, base=wanted.base), wanted.entry.size
    if wanted.deltas and not resume:
        from portage_ext.fetch import delta  # only a release that has deltas pays for it

        if (made := delta.attempt(binrepo, wanted, output)) is not None:
            return FetchedPackage(wanted.path, size, made.mirror, made.size)
    mirror = package.fetch(binrepo, uri, wanted, output, resume=resume)
    return FetchedPackage(wanted.path, size, mirror, size)

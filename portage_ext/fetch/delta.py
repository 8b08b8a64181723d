"""A package is made from an older one at hand if a delta of the release allows it; otherwise the whole file is fetched.

The list of deltas is bound by the verified index, and names files by digest only: the older package is whichever file beside
the new one has that digest. Every failure here costs one line and nothing else. The caller gets a package that has the digests
of the index, or none.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

from portage_ext import files, limits
from portage_ext.errors import PortageExtError
from portage_ext.errors.deltas import DeltaError
from portage_ext.errors.trust import AllMirrorsFailedError, CorruptFileError, ShortFileError, TrustError
from portage_ext.fetch.attached import BoundSink
from portage_ext.fetch.binrepo import Binrepo, writable
from portage_ext.fetch.direct import DirectTransport, suits
from portage_ext.fetch.package import Wanted, check, digests_for
from portage_ext.fetch.sinks import FileSink, Sink
from portage_ext.gpkg import delta as packages
from portage_ext.gpkg import zstd
from portage_ext.gpkg.container import read_container
from portage_ext.gpkg.source import Source, open_package
from portage_ext.limits import deltas as bounds
from portage_ext.model import GPKG_SUFFIX, Hasher, release
from portage_ext.model.delta import NAME, Delta, parse
from portage_ext.shown import short

_INDEXED: Final = "BLAKE2B"


@dataclass(frozen=True, slots=True)
class Received:
    """The package is there; ``mirror`` sent ``size`` bytes for it."""

    mirror: str
    size: int


def attempt(binrepo: Binrepo, wanted: Wanted, output: Path) -> Received | None:
    """Make the ``wanted`` package in ``output``; None if the whole file must be fetched.

    If a delta was there and failed, one line says why.
    """
    if not binrepo.settings.fetch.delta_memory or not wanted.path.endswith(GPKG_SUFFIX):
        return None
    try:
        sizes = _beside(output)
        if not sizes:
            return None
        return _Making(binrepo, wanted, output, sizes).made()
    except Exception as error:  # noqa: BLE001 - a delta saves bytes; a defect in it must not cost the package
        files.discard(output)
        binrepo.warn(f"{wanted.path}: cannot be made from an older package ({_told(error)}); fetching the whole file")
        return None


def _told(error: Exception) -> str:
    if isinstance(error, AllMirrorsFailedError) and error.reasons:
        return str(error.reasons[0].why)
    if isinstance(error, DeltaError | TrustError):
        return error.why
    expected = isinstance(error, PortageExtError | OSError | ValueError)
    return short(error) if expected else f"a defect of portage-ext: {type(error).__name__}: {short(error)}"


def _beside(output: Path) -> dict[int, list[str]]:
    """The packages in the directory of ``output``, by size."""
    found: dict[int, list[str]] = {}
    try:
        with os.scandir(output.parent) as entries:
            for number, entry in enumerate(entries):
                if number >= bounds.FILES:
                    break
                if entry.name.endswith(GPKG_SUFFIX) and entry.name != output.name and entry.is_file(follow_symlinks=False):
                    found.setdefault(entry.stat(follow_symlinks=False).st_size, []).append(entry.path)
    except FileNotFoundError:
        pass
    return found


@dataclass(frozen=True, slots=True)
class _Making:
    """One package. ``sizes`` has the packages at hand by size."""

    binrepo: Binrepo
    wanted: Wanted
    output: Path
    sizes: Mapping[int, list[str]]

    def made(self) -> Received | None:
        entry = self.wanted.entry
        result = entry.get(_INDEXED).lower()
        deltas = [one for one in self._offered() if one.result == result and one.result_size == entry.size]
        deltas = [one for one in deltas if one.base_size in self.sizes and one.size < entry.size]
        for one in sorted(deltas, key=lambda delta: delta.size):
            with self._base(one) as base:
                if base is not None:
                    self._suits(one)
                    return self._applied(one, base)
        return None

    def _suits(self, delta: Delta) -> None:
        """Raises DeltaError if this host cannot, or may not, use ``delta``."""
        allowed = self.binrepo.settings.fetch.delta_memory
        if delta.memory > allowed:
            why = f"that would take {delta.memory // limits.MIB} MiB of memory; delta-memory allows {allowed // limits.MIB}"
            raise DeltaError(self.wanted.path, why)
        here, there = zstd.version(self.wanted.path), delta.compressor.version
        if here != there:
            raise DeltaError(self.wanted.path, f"the binhost compressed it with zstd {there}, this host has {here}")

    @contextmanager
    def _base(self, delta: Delta) -> Iterator[Source | None]:
        """The package at hand that ``delta`` begins with, open; None if there is none."""
        found: Source | None = None
        opened: list[int] = []
        try:
            for path in self.sizes[delta.base_size][: bounds.CANDIDATES]:
                opened.append(open_package(path))
                source, hasher = Source(opened[-1], path), Hasher((_INDEXED,))
                for block in source.blocks():
                    hasher.update(block)
                if hasher.values()[_INDEXED] == delta.base:
                    found = source
                    break
            yield found
        finally:
            for fd in opened:
                os.close(fd)

    def _applied(self, delta: Delta, base: Source) -> Received:
        where, directory = f"{self.binrepo.name}: {self.wanted.path}", self.output.parent
        with tempfile.TemporaryFile(dir=directory) as patch:
            sink = FileSink(_named(patch), delta.size, {_INDEXED: delta.digest})
            try:
                mirror = self._fetch(delta.path, delta.size, sink)
            finally:
                sink.close()
            with packages.unpacked(base, read_container(base), delta.base_image, directory) as image:
                with self.output.open("wb", buffering=0) as out:
                    packages.apply(where, image, patch, delta, out.fileno())
        # As after a transfer that is complete already: this computes the digests of the file.
        whole = FileSink(self.output, self.wanted.entry.size, digests_for(self.wanted.entry), resume=True)
        try:
            whole.finish(where)
        except (ShortFileError, CorruptFileError):
            raise DeltaError(where, "zstd made other bytes than on the binhost") from None
        finally:
            whole.close()
        check(self.binrepo, self.wanted, self.output)
        return Received(mirror, delta.size)

    def _offered(self) -> tuple[Delta, ...]:
        """The deltas of the release, from its list as it was kept, or fetched and then kept."""
        bound, kept = self.wanted.deltas, self.binrepo.state.deltas_file
        size = release.bound_size(NAME, bound)
        if size is None or size > bounds.DOCUMENT:
            raise DeltaError(self.wanted.path, "the index does not bind the list of its deltas")
        data = b""
        try:
            with kept.open("rb") as file:
                data = file.read(size + 1)
        except FileNotFoundError:
            pass
        if release.binding(NAME, data) != bound:
            sink = BoundSink(NAME, bound)
            self._fetch(NAME, size, sink)
            data = sink.data
            if writable(self.binrepo.state):
                files.replace_file(kept, data, lasting=False)
        return parse(data, self.binrepo.name)

    def _fetch(self, path: str, size: int, sink: Sink) -> str:
        """Ask each mirror once, and report nothing: the whole file is still to come if this fails."""
        mirrors = replace(self.binrepo.mirrors(retries=0), report=lambda error: None, progress=lambda count: None)
        first = DirectTransport() if suits(f"{mirrors.bases[0]}/{path}", 0) else None
        return mirrors.fetch(path, size, sink, 0, first)


def _named(file: IO[bytes]) -> Path:
    """A path of an open file that has no name."""
    return Path(f"/proc/self/fd/{file.fileno()}")

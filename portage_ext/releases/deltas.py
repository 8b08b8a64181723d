"""A release offers deltas from the packages that its clients have to those that are new, where they save enough.

::

    releases/7/
      deltas.json               every delta, with the digests of both packages and of its file (model/delta)
      deltas/<digest>.zst

The index header DELTAS has the digests of deltas.json, and the Release has the digest of the index. The deltas of the live
releases are linked as long as the release still has the package that they make. If an error happens here, only deltas are lost,
not the release; one line says why.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from portage_ext import shown
from portage_ext.errors import PackageError
from portage_ext.errors.deltas import DeltaError, InvalidDeltasError, TooLittleError
from portage_ext.gpkg import zstd
from portage_ext.gpkg.delta import make
from portage_ext.gpkg.source import Source, open_package
from portage_ext.limits import deltas as bounds
from portage_ext.model import GPKG_SUFFIX, INDEXED, IndexEntry
from portage_ext.model.delta import DIRECTORY, NAME, Compressor, Delta, emit, parse
from portage_ext.model.release import binding
from portage_ext.releases.contents import Contents
from portage_ext.releases.linking import Placed, place
from portage_ext.releases.made import Offered, Staged
from portage_ext.words import counted

_REVISION: Final = re.compile(rb"-r[0-9]+$")
_CPV: Final = re.compile(rb"^CPV: (.+)$", re.M)
_DIGEST: Final = re.compile(rb"^BLAKE2B: ([0-9a-f]{128})$", re.M)


@dataclass(frozen=True, slots=True)
class _Pair:
    """The package at ``path`` with the digest ``result``, and the ``entry`` of an older one in the release ``directory``."""

    path: str
    result: str
    directory: Path
    entry: IndexEntry

    @property
    def base(self) -> str:
        return self.entry.get(INDEXED).lower()


def offered(directory: Path) -> Offered | None:
    """What the release in ``directory`` offers; None without deltas, or if their list cannot be read. Raises OSError."""
    found = _listed(directory)
    if not found:
        return None
    # Of several deltas to the same package, a client uses one.
    best = {one.result: one for one in sorted(found, key=lambda delta: delta.saved)}
    return Offered(len(found), sum(one.size for one in found), sum(one.saved for one in best.values()))


def _listed(directory: Path) -> tuple[Delta, ...]:
    try:
        return parse((directory / NAME).read_bytes(), str(directory / NAME))
    except (FileNotFoundError, InvalidDeltasError):
        return ()


@dataclass(frozen=True, slots=True, eq=False)
class Writer:
    """Writes the deltas of a release; implements releases/made.Deltas.

    ``directory_of`` gives the directory of a release by number. ``flags`` gives BINPKG_COMPRESS_FLAGS, which are tried first to
    compress an image to the same bytes. ``bases`` are further releases from which deltas are made, each with its index.
    ``warn`` gets one line for each package that could have a delta and has none.
    """

    directory_of: Callable[[int], Path]
    flags: Callable[[], str] = str
    bases: Sequence[tuple[Path, Contents]] = ()
    warn: Callable[[str], None] = lambda text: None
    clock: Callable[[], float] = time.monotonic

    def write(self, staged: Staged) -> str:
        """Write the deltas of ``staged``. Returns the value of the header DELTAS; empty if there is none."""
        try:
            return _Writing(self, staged).write()
        except Exception as error:  # noqa: BLE001 - deltas must not stop a release
            shutil.rmtree(staged.directory / DIRECTORY, ignore_errors=True)
            (staged.directory / NAME).unlink(missing_ok=True)
            why = f"{type(error).__name__}: {shown.short(error)}"
            self.warn(f"release {staged.number} has no deltas: {why}. The release itself is complete")
            return ""

    def offered(self, directory: Path) -> Offered | None:
        return offered(directory)


@dataclass(slots=True)
class _Writing:
    """One run."""

    by: Writer
    staged: Staged
    deltas: list[Delta] = field(default_factory=list)

    def write(self) -> str:
        (self.staged.directory / DIRECTORY).mkdir(0o755)
        self._keep()
        pairs = list(self._pairs())
        if pairs:
            self._make(pairs)
        if not self.deltas:
            (self.staged.directory / DIRECTORY).rmdir()
            return ""
        data = emit(self.deltas)
        _write(self.staged.directory / NAME, data)
        return binding(NAME, data)

    def _keep(self) -> None:
        """Link the deltas of the live releases of all channels whose package is still in the release."""
        wanted = {digest.decode() for text in self.staged.contents.entries.values() for digest in _DIGEST.findall(text)}
        for directory in {self.by.directory_of(number) for number in self.staged.channels.values()}:
            for delta in _listed(directory):
                if delta.result not in wanted or self._have(delta.base, delta.result):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    with contextlib.suppress(FileExistsError):  # from two older packages, the same delta can lead to this one
                        place(f"{directory}/{delta.path}", f"{self.staged.directory}/{delta.path}", Placed())
                    self.deltas.append(delta)

    def _have(self, base: str, result: str) -> bool:
        return any(one.base == base and one.result == result for one in self.deltas)

    def _pairs(self) -> Iterator[_Pair]:
        """Each package to make a delta for, with the newest build of the same source in each release that is a base."""
        before, after = self.staged.before, self.staged.contents
        if self.staged.live is not None:
            fresh = (path for path, text in after.entries.items() if before.entries.get(path) != text)
            yield from self._from(self.staged.live, before, fresh)
        for directory, contents in self.by.bases:
            yield from self._from(directory, contents, after.entries)

    def _from(self, directory: Path, before: Contents, paths: Iterable[str]) -> Iterator[_Pair]:
        wanted: dict[bytes, list[str]] = {}
        for path in paths:
            if path.endswith(GPKG_SUFFIX) and (name := _name(self.staged.contents.entries[path])):
                wanted.setdefault(name, []).append(path)
        known = [before.entry(path) for path, text in before.entries.items() if _name(text) in wanted]
        bases = _newest(one for one in known if one.path.endswith(GPKG_SUFFIX) and one.get(INDEXED))
        for path in (path for found in wanted.values() for path in found):
            entry = self.staged.contents.entry(path)
            base = bases.get(_source(entry))
            # For a small package, a delta saves less than it costs to ask for one.
            if base is None or not entry.get(INDEXED) or entry.size < bounds.PACKAGE_FROM:
                continue
            pair = _Pair(path, entry.get(INDEXED).lower(), directory, base)
            if pair.base != pair.result and not self._have(pair.base, pair.result):
                yield pair

    def _make(self, pairs: Sequence[_Pair]) -> None:
        version = zstd.version("the release")
        kept = [one.compressor for one in self.deltas if one.compressor.version == version]
        compressors = [*filter(None, (Compressor.of(version, self.by.flags()),)), *dict.fromkeys(kept), Compressor(version)]
        until = self.by.clock() + bounds.MAKING
        for done, pair in enumerate(pairs):
            if self.by.clock() > until or len(self.deltas) >= bounds.COUNT:
                self.by.warn(f"{counted(len(pairs) - done)} without a delta: making them took too long")
                return
            try:
                if not self._have(pair.base, pair.result):
                    self.deltas.append(self._made(pair, compressors))
            except TooLittleError:
                pass
            except (DeltaError, PackageError, FileNotFoundError) as error:
                self.by.warn(f"{pair.path} has no delta: {getattr(error, 'why', None) or shown.short(error)}")

    def _made(self, pair: _Pair, compressors: Iterable[Compressor]) -> Delta:
        directory = self.staged.directory / DIRECTORY
        partial = directory / ".partial"
        try:
            with _opened(pair.directory / pair.entry.path) as old, _opened(self.staged.directory / pair.path) as new:
                with partial.open("x+b") as patch:
                    delta = make(old, new, compressors, patch, directory)
            if (delta.base, delta.result) != (pair.base, pair.result):
                raise DeltaError(pair.path, "it or the older package is not what the index says")
            partial.chmod(0o644)
            os.rename(partial, self.staged.directory / delta.path)
        finally:
            partial.unlink(missing_ok=True)
        return delta


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Source]:
    fd = open_package(path)
    try:
        yield Source(fd, path.name)
    finally:
        os.close(fd)


def _name(text: bytes) -> bytes:
    """The name and version without revision in the text of an entry; empty if it has none."""
    match = _CPV.search(text)
    return b"" if match is None else _REVISION.sub(b"", match[1])


def _source(entry: IndexEntry) -> tuple[str, str]:
    """What builds of the same source share: name and version without revision, and slot."""
    return _REVISION.sub(b"", entry.get("CPV").encode()).decode(), entry.slot.partition("/")[0]


def _newest(entries: Iterable[IndexEntry]) -> Mapping[tuple[str, str], IndexEntry]:
    """The newest build of each source."""
    order = sorted(entries, key=lambda one: (_number(one.get("BUILD_TIME")), _number(one.get("BUILD_ID"))))
    return {_source(one): one for one in order}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o644)

"""The image of a package is read as a stream: it is decompressed and counted on the way and never in memory as a whole.

It is read with ``tarfile``, as in Portage, but with limits that ``tarfile`` lacks: for the size of headers, for sequences of
headers, for sparse maps, and for members that extend beyond the end of the stream. If Python has no module for a compression
method, the program that Portage uses is run.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import posixpath
import shutil
import signal
import subprocess
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from tarfile import InvalidHeaderError, ReadError, TruncatedHeaderError  # type: ignore[attr-defined]
from typing import IO, Any, Final, Self, cast

import zstandard

from portage_ext import limits
from portage_ext.errors import DecompressionError, MalformedPackageError, OversizedPackageError, PackageError
from portage_ext.gpkg.compression import TOOLS, BadStreamError, method_of_content, whole_frames
from portage_ext.gpkg.container import Container
from portage_ext.gpkg.source import Source
from portage_ext.gpkg.xpak import segment_start

_ENDS: Final = 16
"""How many reads may return nothing at the end of a stream."""


class Content:
    """The content of a member. It can be read only until the next member is requested. Reading raises PackageError."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name

    def read(self, size: int = -1) -> bytes:
        with _named(self._name):
            return self._file.read(size)


Member = tuple[str, tarfile.TarInfo, Content | None]
"""The path where it is installed, its header, and the content if it is a regular file. The link target of a hard link is the
path where the linked file is installed."""


def gpkg_image(source: Source, container: Container) -> Iterator[Member]:
    """Yield the members of the image of an open gpkg in archive order. Raises PackageError."""
    image = container.image
    for member, file in members(source, image.member.offset, image.member.size, image.method):
        name = _below_image(member.name)
        if member.islnk():
            member.linkname = _below_image(member.linkname)
        if name:
            yield name, member, file


def strays(source: Source, container: Container) -> Iterator[str]:
    """Yield the names of members and the targets of hard links in an open gpkg that are not in its image. Raises
    PackageError."""
    image = container.image
    for member, _ in members(source, image.member.offset, image.member.size, image.method):
        for name in (member.name, *([member.linkname] if member.islnk() else [])):
            if not _below_image(name) and posixpath.normpath(name) != "image":
                yield name


def _below_image(name: str) -> str:
    """The path of a member below "image/". Portage installs nothing else, so for other members the result is empty."""
    top, _, rest = posixpath.normpath(name).partition("/")
    return f"/{rest}" if top == "image" and rest else ""


def xpak_image(source: Source) -> Iterator[Member]:
    """Yield the members of the image at the beginning of an open xpak package, in archive order. Raises PackageError."""
    method = method_of_content(source.read(0, min(16, source.size)))
    for member, file in members(source, 0, segment_start(source), method):
        if member.islnk():
            member.linkname = "/" + member.linkname.removeprefix("./")
        yield "/" + member.name.removeprefix("./"), member, file


def archive(source: Source, container: Container) -> Iterator[bytes]:
    """Yield the image archive of an open gpkg, decompressed but not unpacked, in blocks. Raises PackageError."""
    member = container.image.member
    with _opened(source, member.offset, member.size, container.image.method) as counted:
        while block := counted.read(limits.READ_BLOCK):
            yield block


def members(source: Source, offset: int, size: int, method: str) -> Iterator[tuple[tarfile.TarInfo, Content | None]]:
    """Yield the members of the tar archive that is compressed by ``method``, within the limits of an image. Raises
    PackageError."""
    with _opened(source, offset, size, method) as counted:
        with tarfile.open(fileobj=cast("IO[bytes]", counted), mode="r|", tarinfo=_bounded()) as opened:
            kept = vars(opened)["members"]  # tarfile keeps every member that was read; there can be millions
            count = 0
            while (member := opened.next()) is not None:
                count += 1
                if count > limits.IMAGE_MEMBERS:
                    raise OversizedPackageError(source.name, f"an image of more than {limits.IMAGE_MEMBERS} members")
                if member.size < 0:
                    raise tarfile.ReadError(f"{member.name!r} has a size below zero")
                file = opened.extractfile(member) if member.isreg() else None
                yield member, None if file is None else Content(file, source.name)
                kept.clear()
        # Read to the end, because only there the decompressor reports that the stream was cut off.
        counted.drain()


@contextlib.contextmanager
def _opened(source: Source, offset: int, size: int, method: str) -> Iterator[_Counted]:
    """The decompressed archive at ``offset``, counted while it is read. Raises PackageError, also for errors in the block."""
    raw = io.BufferedReader(_Slice(source, offset, size), limits.READ_BLOCK)
    if method == "zstd":
        try:
            whole_frames(lambda at, count: source.read(offset + at, count), size, limits.IMAGE_BLOCKS)
        except BadStreamError as error:
            raise DecompressionError(source.name, f"image: {error}") from error
    with _named(source.name), _decompressed(source.name, raw, method) as stream:
        yield _Counted(stream, source.name)


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn every error in reading the image of the package ``name`` into a PackageError."""
    try:
        yield
    except (tarfile.TarError, ValueError) as error:
        raise MalformedPackageError(name, f"image: {error}") from error
    except (zstandard.ZstdError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise DecompressionError(name, f"image: {error}") from error
    except MemoryError:
        # The header of xz can demand a dictionary of up to 4 GiB, and the decompressor allocates it at once.
        raise DecompressionError(name, "image: it needs more memory than this host has") from None


_EXTENDING = frozenset(
    (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
)


def _bounded() -> type[tarfile.TarInfo]:
    """A TarInfo class with limits for the headers of one archive."""

    class Bounded(tarfile.TarInfo):
        chain = 0

        @classmethod
        def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
            """An archive does not end with a header that cannot be read, as it does for ``tarfile``."""
            try:
                return super().fromtarfile(archive)
            except (InvalidHeaderError, TruncatedHeaderError) as error:
                raise ReadError(str(error)) from None

        def _proc_member(self, archive: tarfile.TarFile) -> Self | tarfile.TarInfo:
            """Every header comes here before anything behind it is read. Not every Python calls ``frombuf`` for each."""
            kind = type(self)
            extends = self.type in _EXTENDING
            kind.chain = kind.chain + 1 if extends else 0
            if kind.chain > limits.IMAGE_HEADERS:
                raise tarfile.ReadError("headers without end")
            if self.size < 0 or (extends and self.size > limits.PAX_HEADER):
                raise tarfile.ReadError(f"a header with a size of {self.size} bytes")
            if self.issparse():
                raise tarfile.ReadError("a sparse member")
            return cast("tarfile.TarInfo", super()._proc_member(archive))  # type: ignore[misc]

        def _sparse(self, *_: object) -> None:
            raise tarfile.ReadError("a sparse member")

        _proc_sparse = _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _sparse

    return Bounded


@contextlib.contextmanager
def _decompressed(name: str, raw: IO[bytes], method: str) -> Iterator[Any]:
    if method in TOOLS:
        with _through(name, TOOLS[method], raw) as stream:
            yield stream
    elif method == "none":
        yield raw
    elif method == "zstd":
        decompressor = zstandard.ZstdDecompressor(max_window_size=limits.ZSTD_WINDOW)
        with decompressor.stream_reader(raw, read_across_frames=True) as stream:
            yield stream
    else:
        opened: dict[str, Callable[[IO[bytes]], Any]] = {"gzip": _gzip, "bzip2": bz2.BZ2File, "xz": lzma.LZMAFile}
        with opened[method](raw) as stream:
            yield stream


def _gzip(raw: IO[bytes]) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=raw)


@contextlib.contextmanager
def _through(name: str, command: tuple[str, ...], raw: IO[bytes]) -> Iterator[IO[bytes]]:
    if shutil.which(command[0]) is None:
        raise DecompressionError(name, f"image: {command[0]} is not installed, but is needed for this compression")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin = process.stdin
        failures: list[PackageError] = []

        def feed() -> None:
            # The program may stop reading early, because the data is damaged or the rest is not needed. That must not end an
            # emerge, which SIGPIPE kills.
            signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGPIPE,))
            with contextlib.suppress(OSError):
                try:
                    shutil.copyfileobj(raw, stdin, limits.READ_BLOCK)
                except PackageError as error:
                    failures.append(error)
                finally:
                    stdin.close()

        feeder = threading.Thread(target=feed, daemon=True)
        watchdog = threading.Timer(limits.IMAGE_SECONDS, process.kill)
        feeder.start()
        watchdog.start()
        try:
            yield process.stdout
            status = process.wait()
        finally:
            process.kill()
            watchdog.cancel()
            feeder.join()
        if failures:
            raise failures[0]
        if status != 0:
            raise DecompressionError(name, f"image: {command[0]} failed with status {status}")


class _Slice(io.RawIOBase):
    """A file object for the ``size`` bytes of a package that begin at ``offset``."""

    def __init__(self, source: Source, offset: int, size: int) -> None:
        self._source = source
        self._at = offset
        self._end = offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), self._end - self._at)
        if size:
            buffer[:size] = self._source.read(self._at, size)
            self._at += size
        return size


class _Counted:
    """Reads the output of a decompressor and counts it. Raises an error if it exceeds the limit."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name
        self._total = 0
        self._ends = 0

    def read(self, size: int) -> bytes:
        data = bytes(self._stream.read(size))
        self._total += len(data)
        if self._total > limits.IMAGE_SIZE:
            raise OversizedPackageError(self._name, f"an image of more than {limits.IMAGE_SIZE} bytes")
        if not data:
            self._ends += 1
            if self._ends > _ENDS:
                # Stop here, because tarfile would keep reading up to the size in the member's header, however large it is.
                raise tarfile.ReadError("ends inside a member")
        return data

    def drain(self) -> None:
        while not self._ends and self.read(limits.READ_BLOCK):
            pass

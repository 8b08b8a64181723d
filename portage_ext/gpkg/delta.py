"""A package is made from an older one and a delta, or the delta from both, in memory and time that the images bound.

The delta is what ``zstd --patch-from`` makes of the head and tail of the new package and its decompressed image, beside the
decompressed image of the old one (model/delta). After a delta is made, it is applied once, as a client will apply it, and the
digest of the result is compared with that of the new package.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from portage_ext import limits
from portage_ext.errors.deltas import DeltaError, TooLittleError
from portage_ext.gpkg import zstd
from portage_ext.gpkg.container import Container, read_container
from portage_ext.gpkg.image import archive
from portage_ext.gpkg.source import Source
from portage_ext.limits import deltas as bounds
from portage_ext.model.delta import Compressor, Delta
from portage_ext.model.digest import blake2b

_LEVEL: Final = "-3"
"""Higher levels save a few more bytes of a rebuild, and take a hundred times as long."""


@contextlib.contextmanager
def unpacked(source: Source, container: Container, most: int, directory: Path) -> Iterator[IO[bytes]]:
    """The decompressed image of an open gpkg, at most ``most`` bytes, in a file in ``directory`` that has no name.

    Raises DeltaError, PackageError, OSError.
    """
    if container.image.method != "zstd":
        raise DeltaError(source.name, f"its image is compressed by {container.image.method}, not zstd")
    with tempfile.TemporaryFile(dir=directory) as file:
        total = 0
        for block in archive(source, container):
            total += len(block)
            if total > most:
                raise DeltaError(source.name, f"its image has more than {most} bytes")
            file.write(block)
        file.flush()
        yield file


def apply(package: str, base: IO[bytes], patch: IO[bytes], delta: Delta, out: int) -> None:
    """Write the package of ``delta`` to the descriptor ``out``, from the unpacked image ``base`` and the delta file ``patch``.

    The caller compares its digest. ``package`` names it in errors. Raises DeltaError, OSError.
    """
    words = ("-d", f"--patch-from=/proc/self/fd/{base.fileno()}", f"--memory={delta.patch_memory}")
    with zstd.running(package, words, delta.patch_memory, patch, subprocess.PIPE, base.fileno()) as process:
        assert process.stdout is not None
        made = _Exactly(package, process.stdout)
        for block in made.blocks(delta.head):
            _write(out, block)
        tail = b"".join(made.blocks(delta.tail))
        zstd.feed(package, delta.compressor.words, made.blocks(delta.image), out, delta.compressor.memory)
        if process.stdout.read(1):
            raise DeltaError(package, "the delta makes more than it says")
    _write(out, tail)


def make(base: Source, new: Source, compressors: Iterable[Compressor], patch: IO[bytes], directory: Path) -> Delta:
    """Write the delta from ``base`` to ``new`` to the empty file ``patch``, and return its description.

    The first of ``compressors`` that gives the image of ``new`` its bytes is used. Temporary files are in ``directory``. Raises
    DeltaError if there is none, if the delta would not save enough, or if it does not give the same bytes; PackageError,
    OSError.
    """
    new_container = read_container(new)
    image = new_container.image.member
    head, tail = image.offset, new.size - image.offset - image.size
    if head > bounds.HEAD or tail > bounds.TAIL:
        raise DeltaError(new.name, "too much of it is not its image")
    digest = new_container.manifest.by_name()[image.name.rpartition("/")[2]].blake2b
    with (
        unpacked(base, read_container(base), bounds.IMAGE, directory) as before,
        unpacked(new, new_container, bounds.IMAGE, directory) as after,
    ):
        compressor = _compressor(new, after, compressors, digest, directory)
        old_size, size = _size(before), _size(after)
        words = (_LEVEL, "-T1", f"--patch-from=/proc/self/fd/{before.fileno()}", f"--stream-size={head + tail + size}")
        memory = bounds.MAKE_MEMORY * max(old_size, size) + 4 * bounds.OWN_MEMORY
        zstd.feed(new.name, words, _whole(new, head, tail, after), patch.fileno(), memory, before.fileno())
        if _size(patch) > bounds.SHARE * new.size:
            raise TooLittleError(new.name, f"a delta would save less than {100 * (1 - bounds.SHARE):.0f} %")
        delta = Delta(
            *(_digest(new.blocks()), new.size), *(_digest(base.blocks()), base.size), old_size,
            *(_digest(_read(patch)), _size(patch)), head, tail, size, compressor,
        )  # fmt: skip
        patch.seek(0)
        with tempfile.TemporaryFile(dir=directory) as file:
            apply(new.name, before, patch, delta, file.fileno())
            if _digest(_read(file)) != delta.result:
                raise DeltaError(new.name, "its delta does not give the same bytes")
    return delta


def _compressor(new: Source, image: IO[bytes], compressors: Iterable[Compressor], digest: str, directory: Path) -> Compressor:
    for one in dict.fromkeys(compressors):
        with tempfile.TemporaryFile(dir=directory) as file:
            zstd.feed(new.name, one.words, _read(image), file.fileno(), one.memory)
            if _digest(_read(file)) == digest:
                return one
    raise DeltaError(new.name, "zstd does not compress its image to the same bytes here")


def _whole(new: Source, head: int, tail: int, image: IO[bytes]) -> Iterator[bytes]:
    yield from map(bytes, new.blocks(0, head))
    yield from map(bytes, new.blocks(new.size - tail))
    yield from _read(image)


def _read(file: IO[bytes]) -> Iterator[bytes]:
    """The content of ``file`` from its first byte, whatever its position."""
    offset = 0
    while block := os.pread(file.fileno(), limits.READ_BLOCK, offset):
        yield block
        offset += len(block)


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _digest(blocks: Iterable[bytes | memoryview]) -> str:
    digest = blake2b()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def _write(out: int, data: bytes) -> None:
    while data:
        data = data[os.write(out, data) :]


class _Exactly:
    """Reads the output of a program, and never more of it than was announced."""

    def __init__(self, package: str, stream: IO[bytes]) -> None:
        self._package = package
        self._stream = stream

    def blocks(self, size: int) -> Iterator[bytes]:
        """Yield exactly ``size`` bytes. Raises DeltaError if there are fewer."""
        while size:
            block = self._stream.read(min(size, limits.READ_BLOCK))
            if not block:
                raise DeltaError(self._package, "the delta makes less than it says, or zstd could not read it")
            yield block
            size -= len(block)

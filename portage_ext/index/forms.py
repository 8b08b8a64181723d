"""All forms of an index are written together from the same blocks, and their modification time is the TIMESTAMP."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from errno import EINVAL, EIO, ENOSYS, EOPNOTSUPP, EXDEV
from pathlib import Path
from stat import S_IMODE
from typing import IO, Final

from portage_ext import limits
from portage_ext.errors import IndexWriteError, InvalidIndexError, PkgdirError
from portage_ext.files import TEMPORARY_PREFIX, replacing_together
from portage_ext.gpkg.source import FileStamp
from portage_ext.index.blocks import Block, gzip_member, zstd_frame
from portage_ext.index.text import emit_header, listed_paths, read_header
from portage_ext.records import record

PLAIN: Final = "Packages"
GZIP: Final = "Packages.gz"
ZSTD: Final = "Packages.zst"
FORMS: Final = (ZSTD, GZIP, PLAIN)
"""The forms in the order in which they are renamed into place: the form that clients ask for last comes first."""
_FILLED: Final = (PLAIN, ZSTD, GZIP)


def permissions(pkgdir: Path) -> tuple[int, int]:
    """Mode and group id for files in PKGDIR: the group of the directory and its rights (binarytree._file_permissions)."""
    status = os.stat(pkgdir)
    try:
        mode = S_IMODE(os.stat(pkgdir / PLAIN).st_mode)
    except FileNotFoundError:
        mode = 0o644
    return mode | (status.st_mode & 0o060), status.st_gid


def stamps(pkgdir: Path) -> dict[str, FileStamp]:
    """The stamp of each form that exists in PKGDIR; of a link, not of the file that it names, which may be a secret."""
    found: dict[str, FileStamp] = {}
    for name in FORMS:
        with contextlib.suppress(FileNotFoundError):
            found[name] = FileStamp.of(os.lstat(pkgdir / name))
    return found


def header_there(pkgdir: Path) -> dict[str, str]:
    """The header of the index in PKGDIR; empty if there is none that can be read."""
    try:
        with open(pkgdir / PLAIN, "rb") as file:
            return read_header(file)
    except (OSError, InvalidIndexError):
        return {}


def listed_there(pkgdir: Path) -> set[str]:
    """The paths that the index in PKGDIR lists. Raises PkgdirError if it cannot be read."""
    try:
        with open(pkgdir / PLAIN, "rb") as file:
            return listed_paths(file)
    except FileNotFoundError:
        return set()
    except OSError as error:
        why = f"cannot read {PLAIN} ({error.strerror}), so its content is unknown; repair or remove it"
        raise PkgdirError(str(pkgdir), why) from error


@record
class Earlier:
    """The forms in PKGDIR that were made from ``blocks``, and the descriptors of others that are no longer there."""

    forms: Mapping[str, FileStamp]
    blocks: Sequence[Block]
    held: Mapping[str, int]

    @classmethod
    def of(
        cls, written: Mapping[str, FileStamp], blocks: Sequence[Block], there: Mapping[str, FileStamp], former: Iterable[int]
    ) -> Earlier:
        """Those of the forms ``written`` that are still ``there``, or are one of the open files ``former``."""
        forms = {name: stamp for name, stamp in there.items() if written.get(name) == stamp}
        now = {FileStamp.of(os.fstat(descriptor)): descriptor for descriptor in former}
        held = {name: now[stamp] for name, stamp in written.items() if name not in forms and stamp in now}
        return cls(forms, blocks, held)

    def size(self, name: str) -> int | None:
        """The bytes of a form; None if it cannot be copied."""
        if name in self.forms:
            return self.forms[name].size
        return os.fstat(self.held[name]).st_size if name in self.held else None


_Part = Block | tuple[int, int]
"""A block to write, or the offset and length of bytes to copy from the earlier file."""

_CONTENT: Final[Mapping[str, tuple[Callable[[Block], int], Callable[[Block], bytes], Callable[[bytes, int], bytes]]]] = {
    PLAIN: (lambda block: block.text_size, Block.text, lambda head, timestamp: head),
    GZIP: (lambda block: block.gz_size, lambda block: block.gz, gzip_member),
    ZSTD: (lambda block: block.zst_size, lambda block: block.zst, lambda head, timestamp: zstd_frame(head)),
}
"""For each form: functions that return the size of a block, its bytes, and the bytes of the header with its TIMESTAMP."""


def _parts(name: str, blocks: Sequence[Block], earlier: Earlier | None) -> list[_Part]:
    size, _, _ = _CONTENT[name]
    places: dict[int, int] = {}
    whole = None if earlier is None else earlier.size(name)
    if earlier is not None and whole is not None:
        offset = whole - sum(map(size, earlier.blocks))
        for block in earlier.blocks:
            places[id(block)] = offset
            offset += size(block)
    parts: list[_Part] = []
    for block in blocks:
        place = places.get(id(block))
        last = parts[-1] if parts else block
        if place is None:
            parts.append(block)
        elif isinstance(last, tuple) and last[0] + last[1] == place:
            parts[-1] = (last[0], last[1] + size(block))
        else:
            parts.append((place, size(block)))
    return parts


def _copy(source: int, target: int, offset: int, length: int) -> None:
    while length:
        try:
            done = os.copy_file_range(source, target, length, offset)
        except OSError as error:
            if error.errno not in (EXDEV, ENOSYS, EOPNOTSUPP, EINVAL):
                raise
            done = os.write(target, os.pread(source, min(length, limits.READ_BLOCK), offset))
        if not done:
            raise OSError(EIO, "the earlier index ends too soon")
        offset += done
        length -= done


def _fill(
    file: IO[bytes], head: bytes, parts: Sequence[_Part], content: Callable[[Block], bytes], source: Path, held: int | None
) -> None:
    file.write(head)
    earlier = None if held is None else os.dup(held)
    try:
        for part in parts:
            if isinstance(part, Block):
                file.write(content(part))
                continue
            if earlier is None:
                earlier = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            file.flush()
            _copy(earlier, file.fileno(), *part)
    finally:
        if earlier is not None:
            os.close(earlier)


def write_forms(
    pkgdir: Path,
    header: Mapping[str, str],
    blocks: Sequence[Block],
    *,
    compress: bool,
    earlier: Earlier | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> None:
    """Replace the forms of the index in PKGDIR. Without ``compress``, Packages.gz is removed, as Portage does.

    ``header`` must be complete, with TIMESTAMP. The kernel copies unchanged blocks from the ``earlier`` files. ``meanwhile`` is
    called while the disk is busy with the forms, before they get their names. Raises IndexWriteError; the old forms are then
    unchanged.
    """
    mode, group = permissions(pkgdir)
    timestamp = int(header["TIMESTAMP"])
    head = emit_header(header)
    names = [name for name in FORMS if compress or name != GZIP]
    try:
        with replacing_together([pkgdir / name for name in names], mode=mode, group=group, mtime=timestamp) as together:
            # The text first: it is the largest, and blocks may still be being compressed.
            for name, file in sorted(zip(names, together.files, strict=True), key=lambda one: _FILLED.index(one[0])):
                _, content, header_of = _CONTENT[name]
                held = None if earlier is None else earlier.held.get(name)
                _fill(file, header_of(head, timestamp), _parts(name, blocks, earlier), content, pkgdir / name, held)
                together.complete(file)
            if meanwhile is not None:
                meanwhile()
        if not compress:
            (pkgdir / GZIP).unlink(missing_ok=True)
    except OSError as error:
        raise IndexWriteError(str(pkgdir / PLAIN), error.strerror or str(error)) from error


def remove_leftovers(pkgdir: Path) -> None:
    """Remove temporary files of a killed run. Call this only while holding the lock, because every writer holds it too."""
    for name in os.listdir(pkgdir):
        if name.startswith(f"{TEMPORARY_PREFIX}{PLAIN}"):
            (pkgdir / name).unlink(missing_ok=True)

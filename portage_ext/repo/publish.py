"""The forms of an index are written together, from the same blocks, and carry the TIMESTAMP as their modification time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from stat import S_IMODE
from typing import Final

from portage_ext.errors import IndexWriteError
from portage_ext.files import TEMPORARY_PREFIX, replacing_together
from portage_ext.gpkg.source import FileStamp
from portage_ext.index.blocks import Block, gzip_member, zstd_frame
from portage_ext.index.text import emit_header

PLAIN: Final = "Packages"
GZIP: Final = "Packages.gz"
ZSTD: Final = "Packages.zst"
FORMS: Final = (ZSTD, GZIP, PLAIN)
"""In the order in which they take their names: what clients ask for last comes first."""


def permissions(pkgdir: Path) -> tuple[int, int]:
    """Mode and group for files in PKGDIR: its group, and for the group what it may do there (binarytree._file_permissions)."""
    status = os.stat(pkgdir)
    try:
        mode = S_IMODE(os.stat(pkgdir / PLAIN).st_mode)
    except FileNotFoundError:
        mode = 0o644
    return mode | (status.st_mode & 0o060), status.st_gid


def stamps(pkgdir: Path) -> dict[str, FileStamp]:
    """The stamp of each form that is there."""
    found: dict[str, FileStamp] = {}
    for name in FORMS:
        with contextlib.suppress(FileNotFoundError):
            found[name] = FileStamp.of(os.stat(pkgdir / name))
    return found


def write_forms(pkgdir: Path, header: Mapping[str, str], blocks: Sequence[Block], *, compress: bool) -> None:
    """Replace the forms of the index in PKGDIR; without ``compress`` Packages.gz is removed, as Portage does.

    ``header`` is complete, with TIMESTAMP. Raises IndexWriteError, and then the old forms stand.
    """
    mode, group = permissions(pkgdir)
    timestamp = int(header["TIMESTAMP"])
    head = emit_header(header)
    names = [name for name in FORMS if compress or name != GZIP]
    try:
        with replacing_together([pkgdir / name for name in names], mode=mode, group=group, mtime=timestamp) as files:
            for name, file in zip(names, files, strict=True):
                if name == PLAIN:
                    file.write(head)
                    file.writelines(block.text() for block in blocks)
                elif name == GZIP:
                    file.write(gzip_member(head, timestamp))
                    file.writelines(block.gz for block in blocks)
                else:
                    file.write(zstd_frame(head))
                    file.writelines(block.zst for block in blocks)
        if not compress:
            (pkgdir / GZIP).unlink(missing_ok=True)
    except OSError as error:
        raise IndexWriteError(str(pkgdir / PLAIN), error.strerror or str(error)) from error


def remove_leftovers(pkgdir: Path) -> None:
    """Remove what a killed run left behind. Only the holder of the lock makes such files, so call it under the lock."""
    for name in os.listdir(pkgdir):
        if name.startswith(f"{TEMPORARY_PREFIX}{PLAIN}"):
            (pkgdir / name).unlink(missing_ok=True)

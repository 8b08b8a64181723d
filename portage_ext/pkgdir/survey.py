"""A quick comparison of PKGDIR with its index by names, sizes and times. It opens no package, locks and writes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from portage_ext.errors import PkgdirError
from portage_ext.index.forms import PLAIN
from portage_ext.index.text import parse_index
from portage_ext.model import PACKAGE_SUFFIXES
from portage_ext.pkgdir.walk import Walker

_DEEPEST: Final = 2
"""Packages are files of PKGDIR, of its categories, and of their packages."""

Seen = dict[str, tuple[int, int]]
"""Path below PKGDIR: size in bytes, mtime in seconds."""


def foreign(pkgdir: Path) -> bool:
    """Whether ``pkgdir`` is a directory of something else: it has files, but no index and no package.

    An empty one may become a PKGDIR. Raises OSError.
    """
    if (pkgdir / PLAIN).exists():
        return False
    found = False
    for directory, below, names in os.walk(pkgdir):
        if any(name.endswith(PACKAGE_SUFFIXES) for name in names):
            return False
        found = found or any(not name.startswith(".") for name in names)
        if len(Path(directory).relative_to(pkgdir).parts) == _DEEPEST:
            below.clear()
    return found


def files(pkgdir: Path) -> Seen:
    """The packages in PKGDIR. Raises PkgdirError."""
    return {path: (size, mtime // 10**9) for path, size, mtime, _ in Walker(pkgdir, once=True).scan().files}


def index(pkgdir: Path) -> Seen | None:
    """The packages in the index; None without an index. Raises PkgdirError, InvalidIndexError."""
    try:
        with (pkgdir / PLAIN).open("rb") as file:
            return {
                entry.get("PATH") or f"{entry.get('CPV')}.tbz2": (_number(entry.get("SIZE")), _number(entry.get("MTIME")))
                for entry in parse_index(file, str(pkgdir / PLAIN))[1]
            }
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PkgdirError(str(pkgdir), f"its index cannot be read: {error.strerror}") from error


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1

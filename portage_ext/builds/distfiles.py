"""Distfiles are stored by digest: each file in an ebuild's Manifest is fetched once, verified here, and shared by all targets.

A cage with network access fetches into its own DISTDIR. A fetched file is accepted only if its BLAKE2B matches. A build sees
only the files of its own job, read-only.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.errors.builds import RefusedResultError

_BLAKE2B: Final = re.compile(r"[0-9a-f]{128}")
_NAME: Final = re.compile(r"[A-Za-z0-9_~+%,=@][A-Za-z0-9_~+%,=@. !()-]{0,254}")


@dataclass(frozen=True, slots=True)
class Distfiles:
    """The files below ``directory``, each in a directory with its BLAKE2B as the name."""

    directory: Path

    def lay_out(self, cpv: str, wanted: Mapping[str, str], into: Path) -> list[str]:
        """Link the stored files of ``wanted`` (name to digest) into the directory ``into``. Returns the names that are missing.

        Raises RefusedResultError for an invalid name or digest, OSError.
        """
        missing: list[str] = []
        for name, digest in wanted.items():
            place = self._place(cpv, name, digest)
            if place.is_file() and _digest(place) == digest:
                os.utime(place)  # the time of the last use
                os.link(place, into / name)
            else:
                missing.append(name)
        return missing

    def take(self, cpv: str, wanted: Mapping[str, str], fetched: Path) -> None:
        """Move the files of ``wanted`` that a cage has fetched into this store. Raises RefusedResultError, OSError."""
        for name, digest in wanted.items():
            path, place = fetched / name, self._place(cpv, name, digest)
            if not path.is_file() or path.is_symlink():
                raise RefusedResultError(cpv, f"its distfile {name} was not fetched")
            if (found := _digest(path)) != digest:
                raise RefusedResultError(
                    cpv, f"its distfile {name} has the BLAKE2B {found[:16]}…, and its Manifest says {digest[:16]}…"
                )
            files.make_directory(place.parent)
            path.chmod(0o644)
            os.replace(path, place)

    def _place(self, cpv: str, name: str, digest: str) -> Path:
        if not _NAME.fullmatch(name):
            raise RefusedResultError(cpv, f"it names a distfile {name!r}, which is no file name")
        if not _BLAKE2B.fullmatch(digest):
            raise RefusedResultError(cpv, f"its Manifest has no BLAKE2B of {name}")
        return self.directory / digest[:64] / name


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.blake2b).hexdigest()

"""The list of packages has one ``category/name::overlay`` per line, in the file /etc/overlayman/packages or files in packages/.

Any other line is an error that names the file and the line. Nothing is guessed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import files, limits
from portage_ext.errors import SettingsError

PACKAGES: Final = "etc/overlayman/packages"
"""The path of the list below PORTAGE_CONFIGROOT: a file or a directory of files."""
OPTION: Final = "sync-pick-packages"
"""The key of repos.conf that sets another path for the list."""
OWN_FILE: Final = "portage-ext"
"""If the list is a directory, new lines are added to this file in it."""

CATEGORY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.-]*", re.ASCII)
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_-]*", re.ASCII)
_VERSION: Final = re.compile(r".*-\d+(?:\.\d+)*[a-z]?(?:_(?:pre|p|beta|alpha|rc)\d*)*(?:-r\d+)?", re.ASCII)
_OVERLAY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Wanted:
    """A package of an overlay: ``cp`` is ``category/name``."""

    cp: str
    overlay: str

    def __str__(self) -> str:
        return f"{self.cp}::{self.overlay}"


def is_cp(text: str) -> bool:
    """Whether ``text`` is ``category/name`` by PMS 3.1."""
    category, slash, name = text.partition("/")
    return bool(slash and CATEGORY.fullmatch(category) and NAME.fullmatch(name) and not _VERSION.fullmatch(name))


def wanted(text: str) -> Wanted | None:
    """Parse ``category/name::overlay``; None if ``text`` is anything else."""
    cp, colons, overlay = text.partition("::")
    return Wanted(cp, overlay) if colons and is_cp(cp) and _OVERLAY.fullmatch(overlay) else None


def parse(text: str, path: str) -> Iterator[Wanted]:
    """Yield the packages in the text of the file ``path``. Raises SettingsError."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        found = wanted(words[0]) if len(words) == 1 else None
        if found is None:
            raise SettingsError(f"{path}:{number}", f"{' '.join(words)!r} is not of the form category/name::overlay")
        yield found


def read(path: Path) -> frozenset[Wanted]:
    """The packages listed in the file or directory ``path``; none if it does not exist. Raises SettingsError."""
    return frozenset(one for file in sources(path) for one in parse(_text(file), str(file)))


def sources(path: Path) -> Sequence[Path]:
    """The files of the list: ``path`` itself, or the files in the directory without hidden files and backups."""
    if not path.is_dir():
        return [path] if path.exists() else []
    return sorted(one for one in path.iterdir() if one.is_file() and one.name[0] != "." and one.name[-1] != "~")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(limits.CONFIG_FILE_SIZE + 1)
        if len(data) > limits.CONFIG_FILE_SIZE:
            raise SettingsError(str(path), f"it is larger than {limits.CONFIG_FILE_SIZE} bytes")
        return data.decode()
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), f"byte {error.start} is no UTF-8") from error
    except OSError as error:
        raise SettingsError(str(path), error.strerror or str(error)) from error


def add(path: Path, new: Iterable[Wanted]) -> Path:
    """Add lines to the list at ``path``. Returns the file that was written. Raises SettingsError, OSError."""
    file = path / OWN_FILE if path.is_dir() else path
    text = _text(file) if file.exists() else ""
    if text and not text.endswith("\n"):
        text += "\n"
    files.make_directory(file.parent)
    files.replace_file(file, (text + "".join(f"{one}\n" for one in sorted(new))).encode(), mode=_mode(file))
    return file


def remove(path: Path, gone: Iterable[Wanted]) -> list[Path]:
    """Remove the lines of ``gone`` from the files of the list. Returns the written files. Raises SettingsError, OSError."""
    names = set(gone)
    written = []
    for file in sources(path):
        lines = _text(file).splitlines(keepends=True)
        kept = [line for line in lines if wanted(line.partition("#")[0].strip()) not in names]
        if kept != lines:
            files.replace_file(file, "".join(kept).encode(), mode=_mode(file))
            written.append(file)
    return written


def _mode(file: Path) -> int:
    return os.stat(file).st_mode & 0o777 if file.exists() else 0o644

"""package.env with file and line of every entry: Portage reads the same file but does not keep them.

Files, directories, comments and order follow portage(5) and Portage's own reader (``grabdict``): a directory is read in
sorted order at any depth, hidden files and names ending in ``~`` are skipped, a token that starts with ``#`` ends a line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from portage_ext.limits import CONFIG_FILE_SIZE

_VERSION_CONTROL = frozenset({"CVS", "RCS", "SCCS", ".bzr", ".git", ".hg", ".svn"})


@dataclass(frozen=True, slots=True)
class PackageEnvEntry:
    """One line of package.env: ``atom`` as written, and the files below env/ that it names, in order."""

    path: str
    line: int
    atom: str
    env_files: tuple[str, ...]

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}"


def read_package_env(path: Path) -> list[PackageEnvEntry]:
    """The entries of the file or directory ``path`` in the order in which Portage reads them; none if it does not exist.

    Lines without an env file have no effect and are left out. Raises OSError for an existing file that cannot be read.
    """
    return [entry for file in _files(path) for entry in _entries(file)]


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for child in sorted(path.iterdir(), key=lambda p: p.name):
            hidden = child.name.startswith(".") or child.name.endswith("~")
            if not hidden and child.name not in _VERSION_CONTROL:
                yield from _files(child)
    elif path.is_file():
        yield path


def _entries(path: Path) -> Iterator[PackageEnvEntry]:
    with open(path, "rb") as file:
        text = file.read(CONFIG_FILE_SIZE).decode("utf-8", "replace")
    for number, line in enumerate(text.split("\n"), 1):
        tokens = line.split()
        for place, token in enumerate(tokens):
            if token.startswith("#"):
                del tokens[place:]
                break
        if len(tokens) > 1:
            yield PackageEnvEntry(os.fspath(path), number, tokens[0], tuple(tokens[1:]))

"""Whether a sync has changed anything: an ebuild repository is identified by its head, a commit or a server time stamp."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from portage_ext import files, limits

_STAMPS: Final = ("metadata/timestamp.commit", "metadata/timestamp.chk", "metadata/timestamp.x", "metadata/timestamp")
"""The stamp files of mirrors, snapshots and rsync modules, the most exact first."""
_REFERENCE: Final = "ref: "


def head(location: Path) -> str:
    """The current head of the ebuild repository at ``location``; without commit or stamp, its last change.

    A missing repository has the head "". Reads a few small files and starts no program.
    """
    with contextlib.suppress(OSError, ValueError):  # of a path with a NUL in it
        return f"git {_commit(location / '.git')}"
    for name in _STAMPS:
        with contextlib.suppress(OSError):
            return f"{name} {_read(location / name)}"
    times = []
    for directory in (location, location / "metadata", location / "profiles"):
        with contextlib.suppress(OSError):
            times.append(directory.stat().st_mtime_ns)
    return f"mtime {max(times)}" if times else ""


def _commit(git: Path) -> str:
    if git.is_file():  # a worktree or submodule
        git = git.parent / _read(git).removeprefix("gitdir: ")
    text = _read(git / "HEAD")
    if not text.startswith(_REFERENCE):
        return text
    name = text.removeprefix(_REFERENCE)
    with contextlib.suppress(FileNotFoundError):
        return _read(git / name)
    for line in _read(git / "packed-refs").splitlines():
        if line.endswith(f" {name}"):
            return line.partition(" ")[0]
    raise FileNotFoundError(name)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(limits.CONFIG_FILE_SIZE).decode("utf-8", "replace").strip()


def load(path: Path) -> dict[str, str]:
    """The recorded heads in ``path``, by the name of the repository; none if they cannot be read."""
    try:
        values = json.loads(_read(path))
        return {str(name): str(value) for name, value in values.items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def save(path: Path, heads: Mapping[str, str]) -> None:
    """Record ``heads``. Raises OSError."""
    files.make_directory(path.parent)
    files.replace_file(path, json.dumps(dict(heads), indent=0, sort_keys=True).encode() + b"\n")

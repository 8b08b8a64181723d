"""Layers are named by a digest of their ingredients; each is made once, shared by builds, and checked before every use.

The name of a layer is the digest of its *recipe*. A layer with the files that were written when published packages were merged
over an environment has the digests of the environment and of the packages, in order. A layer of which an environment consists
has a digest of its content (docs/adr/0705). A list of its files is stored beside each and compared before each use. If a layer
differs from its list, it is removed and made again from its recipe. ::

    layers/3f…/recipe.json      what it is made of
    layers/3f…/files            a digest of path, type, mode, owner, size and time of each file in tree/
    layers/3f…/tree/            the layer
    layers/3f…/used             users hold a shared lock on it; its modification time is the time of the last use

``keep_within`` removes the least recently used layers until the rest fits, those of which environments of targets consist
last. A layer is kept if it is in use, if it is in or over a pinned environment, or if its directory has a file ``pinned``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import operator
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from portage_ext import files, locks
from portage_ext.limits import builds as limits

_PARTIAL: Final = ".partial"
_name: Final = operator.attrgetter("name")


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers below ``directory``."""

    directory: Path

    @contextlib.contextmanager
    def layer(self, recipe: dict[str, Any], make: Callable[[Path], None]) -> Iterator[Path]:
        """Give the tree of the layer for ``recipe``. It is not removed while the block runs.

        If it does not exist, ``make`` is called to fill an empty directory. Raises the errors of ``make``, OSError.
        """
        text = _text(recipe)
        place = self._place(recipe)
        files.make_directory(self.directory, 0o700)
        with locks.held(self.directory / f"{place.name}.lock", limits.LAYER_WAIT):
            if not _is_whole(place):
                shutil.rmtree(place, ignore_errors=True)
                partial = self.directory / f"{place.name}{_PARTIAL}"
                shutil.rmtree(partial, ignore_errors=True)
                (partial / "tree").mkdir(parents=True, mode=0o755)
                try:
                    make(partial / "tree")
                except BaseException:  # clean up also after an interrupt; the exception is raised again
                    shutil.rmtree(partial, ignore_errors=True)
                    raise
                (partial / "recipe.json").write_bytes(text)
                (partial / "used").touch(0o600)
                (partial / "files").write_text(listed(partial / "tree"))
                files.sync_filesystem(partial)
                os.rename(partial, place)
            used = os.open(place / "used", os.O_RDWR | os.O_CLOEXEC)
            fcntl.flock(used, fcntl.LOCK_SH)
        try:
            os.utime(used)
            yield place / "tree"
        finally:
            os.close(used)

    def tree(self, recipe: dict[str, Any]) -> Path:
        """Where the tree of the layer for ``recipe`` is, if it exists."""
        return self._place(recipe) / "tree"

    def exists(self, recipe: dict[str, Any]) -> bool:
        """Whether the layer for ``recipe`` exists; it is not checked."""
        return (self._place(recipe) / "used").exists()

    @contextlib.contextmanager
    def held(self, recipe: dict[str, Any]) -> Iterator[Path]:
        """Give the tree of the layer for ``recipe``, unchecked. It is not removed while the block runs. Raises
        FileNotFoundError if it does not exist, OSError."""
        place = self._place(recipe)
        used = os.open(place / "used", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(used, fcntl.LOCK_SH)
            os.utime(used)
            if not (place / "used").exists():
                raise FileNotFoundError(place)
            yield place / "tree"
        finally:
            os.close(used)

    def is_whole(self, recipe: dict[str, Any]) -> bool:
        """Whether the layer for ``recipe`` exists and equals its list."""
        return _is_whole(self._place(recipe))

    def keep_within(self, most: int, pinned: Collection[str] = (), wanted: Collection[str] = ()) -> list[str]:
        """Remove the least recently used layers until the rest has at most ``most`` bytes, but none in or over the environments
        ``pinned`` (digests of environments and contents), and those of ``wanted`` after all others. Returns the names of those
        removed."""
        removed: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            for path in self.directory.glob(f"*{_PARTIAL}"):
                with locks.tried(self.directory / f"{path.name.removesuffix(_PARTIAL)}.lock") as free:
                    if free is not None:
                        shutil.rmtree(path, ignore_errors=True)
            there = [path for path in self.directory.iterdir() if (path / "used").exists()]
            sizes = {path: size(path) for path in there}
            left = sum(sizes.values())
            for path in sorted(there, key=lambda one: (_is_of(one, wanted), (one / "used").stat().st_mtime_ns)):
                if left <= most:
                    break
                if not _is_pinned(path, pinned) and self._remove(path):
                    removed.append(path.name)
                    left -= sizes[path]
        return removed

    def _place(self, recipe: dict[str, Any]) -> Path:
        return self.directory / hashlib.blake2b(_text(recipe), digest_size=32).hexdigest()

    def _remove(self, place: Path) -> bool:
        """Remove a layer unless it is in use. Returns whether it was removed."""
        with locks.tried(self.directory / f"{place.name}.lock") as free:
            if free is None:
                return False
            with locks.tried(place / "used") as unused:
                if unused is not None:
                    shutil.rmtree(place)
                return unused is not None


def listed(tree: Path) -> str:
    """A digest of the names, types, modes, owners, sizes and times of everything in ``tree``."""
    digest = hashlib.blake2b(digest_size=32)
    waiting = [("", str(tree))]
    while waiting:
        below, directory = waiting.pop()
        with os.scandir(directory) as entries:
            found = sorted(entries, key=_name)
        for entry in found:
            values = entry.stat(follow_symlinks=False)
            mode = values.st_mode
            path = f"{below}{entry.name}"
            length, time, target = 0, values.st_mtime_ns, ""
            if stat.S_ISDIR(mode):
                time = 0
                waiting.append((f"{path}/", entry.path))
            elif stat.S_ISREG(mode):
                length = values.st_size
            elif stat.S_ISLNK(mode):
                target = os.readlink(entry.path)
            # A name cannot contain NUL.
            line = f"{path}\0{mode} {values.st_uid} {values.st_gid} {length} {time} {target}\0"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def size(place: Path) -> int:
    """The total size of all files below ``place``, in bytes."""
    return sum(os.lstat(os.path.join(top, name)).st_blocks * 512 for top, _, names in os.walk(place) for name in (*names, "."))


def _text(recipe: dict[str, Any]) -> bytes:
    return json.dumps(recipe, sort_keys=True).encode()


def _is_pinned(place: Path, pinned: Collection[str]) -> bool:
    return (place / "pinned").exists() or _is_of(place, pinned)


def _is_of(place: Path, digests: Collection[str]) -> bool:
    """Whether the layer is over one of the environments, or has one of the contents."""
    try:
        recipe = json.loads((place / "recipe.json").read_bytes())
    except (OSError, ValueError):
        return False  # it is damaged, and nothing uses it as it is
    return isinstance(recipe, dict) and not {recipe.get("environment"), recipe.get("content")}.isdisjoint(digests)


def _is_whole(place: Path) -> bool:
    try:
        return (place / "files").read_text() == listed(place / "tree")
    except OSError:
        return False

"""Layers that builds have below their scratch, by digest of what they are made of; made once, shared, and checked before use.

A layer is what merging published packages over an environment has written there. Its name is the digest of its *recipe*: the
environment and the packages, by their digests and in order. Beside it lies a list of its files, by which it is checked before
each use: one that differs is removed and made again, since everything in it comes from what its recipe names. ::

    layers/3f…/recipe.json      what it is made of
    layers/3f…/files            path, kind, mode, owner, size and time of each file in tree/, digested
    layers/3f…/tree/            the layer
    layers/3f…/used             locked (shared) by its users; its time says when that was last

``keep_within`` removes the layers that were not used for longest until the others fit; one that is in use, or pinned by a file
``pinned`` in it, stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from portage_ext import files, limits, locks

_PARTIAL: Final = ".partial"


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers below ``directory``."""

    directory: Path

    @contextlib.contextmanager
    def layer(self, recipe: dict[str, Any], make: Callable[[Path], None]) -> Iterator[Path]:
        """The tree of the layer of ``recipe``, which nobody removes during the block; ``make`` fills an empty directory.

        Raises what ``make`` raises, OSError.
        """
        text = json.dumps(recipe, sort_keys=True).encode()
        place = self.directory / hashlib.blake2b(text, digest_size=32).hexdigest()
        files.make_directory(self.directory, 0o700)
        with locks.held(self.directory / f"{place.name}.lock", limits.LAYER_WAIT):
            if not _is_whole(place):
                shutil.rmtree(place, ignore_errors=True)
                partial = self.directory / f"{place.name}{_PARTIAL}"
                shutil.rmtree(partial, ignore_errors=True)
                (partial / "tree").mkdir(parents=True, mode=0o755)
                try:
                    make(partial / "tree")
                except BaseException:  # also when it is interrupted; it is raised again
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

    def keep_within(self, most: int) -> list[str]:
        """Remove layers, those that were used longest ago first, until the rest has at most ``most`` bytes; their names."""
        removed: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            for path in self.directory.glob(f"*{_PARTIAL}"):
                with locks.tried(self.directory / f"{path.name.removesuffix(_PARTIAL)}.lock") as free:
                    if free is not None:
                        shutil.rmtree(path, ignore_errors=True)
            there = [path for path in self.directory.iterdir() if (path / "used").exists()]
            sizes = {path: size(path) for path in there}
            left = sum(sizes.values())
            for path in sorted(there, key=lambda one: (one / "used").stat().st_mtime_ns):
                if left <= most:
                    break
                if not (path / "pinned").exists() and self._remove(path):
                    removed.append(path.name)
                    left -= sizes[path]
        return removed

    def _remove(self, place: Path) -> bool:
        """Remove a layer that nobody uses."""
        with locks.tried(self.directory / f"{place.name}.lock") as free:
            if free is None:
                return False
            with locks.tried(place / "used") as unused:
                if unused is not None:
                    shutil.rmtree(place)
                return unused is not None


def listed(tree: Path) -> str:
    """The digest of the names, kinds, modes, owners, sizes and times of all that is in ``tree``."""
    digest = hashlib.blake2b(digest_size=32)
    for top, directories, names in os.walk(tree):
        directories.sort()
        for name in sorted((*names, *directories)):
            path = os.path.join(top, name)
            found = os.lstat(path)
            time = 0 if stat.S_ISDIR(found.st_mode) else found.st_mtime_ns
            target = os.readlink(path) if stat.S_ISLNK(found.st_mode) else ""
            length = found.st_size if stat.S_ISREG(found.st_mode) else 0
            values = (os.path.relpath(path, tree), found.st_mode, found.st_uid, found.st_gid, length, time, target)
            digest.update(repr(values).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def size(place: Path) -> int:
    """The bytes of all files below ``place``."""
    return sum(os.lstat(os.path.join(top, name)).st_blocks * 512 for top, _, names in os.walk(place) for name in (*names, "."))


def _is_whole(place: Path) -> bool:
    try:
        return (place / "files").read_text() == listed(place / "tree")
    except OSError:
        return False

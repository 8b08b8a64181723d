"""The files of a layer are written from its listing; each content is checked by its digest, wherever it comes from.

Contents are looked for in layers that exist, then in published packages, and only then the copied host is asked for them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Protocol

from portage_ext import limits
from portage_ext.builds.layers.store import Layers
from portage_ext.errors import PackageError
from portage_ext.errors.builds import CaptureError
from portage_ext.targets.copying.listing import Entry

ENTRIES: Final = "entries"
"""The file beside the tree of a layer with the digest and path of each of its files, one a line."""


class Readable(Protocol):
    """What a content is read from."""

    def read(self, size: int, /) -> bytes: ...


class Host(Protocol):
    """The copied host."""

    where: str
    entries: list[Entry]

    def contents(self, numbers: Sequence[int]) -> Iterator[tuple[Entry, IO[bytes]]]: ...


@dataclass(slots=True)
class Came:
    """Bytes of contents, by where they came from."""

    layers: int = 0
    packages: int = 0
    host: int = 0


@dataclass(slots=True)
class Laying:
    """Writes layers of one host. ``made`` are contents by path that are made here; ``published`` gives contents of published
    packages as (path, content)."""

    store: Layers
    host: Host
    made: Mapping[str, bytes]
    published: Callable[[], Iterable[tuple[str, Readable]]] = tuple
    came: Came = field(default_factory=Came)

    def lay(self, entries: Sequence[Entry], tree: Path) -> None:
        """Write the files of ``entries`` into the empty directory ``tree``. Raises CaptureError, OSError."""
        ordered = sorted(entries, key=lambda one: one.path)
        waiting: dict[str, Entry] = {}
        for one in ordered:
            path = tree / one.path
            if one.kind == "d":
                path.mkdir(0o700)
            elif one.kind == "l":
                os.symlink(one.value, path)
                os.chown(path, one.uid, one.gid, follow_symlinks=False)
            elif one.path in self.made:
                _write(path, one, _Bytes(self.made[one.path]))
            else:
                waiting[one.path] = one
        self._from_layers(waiting, tree)
        self._from_packages(waiting, tree)
        numbers = [number for number, one in enumerate(self.host.entries) if waiting.get(one.path) == one] if waiting else []
        for one, content in self.host.contents(numbers) if numbers else ():
            if not _write(tree / one.path, one, content):
                raise CaptureError(self.host.where, f"{one.path} was changed while it was copied; try again")
            self.came.host += one.size
        for one in reversed(ordered):
            if one.kind == "d":
                os.chown(tree / one.path, one.uid, one.gid)
                os.chmod(tree / one.path, one.mode)
        (tree.parent / ENTRIES).write_text(
            "".join(f"{one.value} {json.dumps(one.path)}\n" for one in ordered if one.kind == "f")
        )

    def _from_layers(self, waiting: dict[str, Entry], tree: Path) -> None:
        """Take contents from files of other layers, and drop their entries from ``waiting``."""
        wanted: dict[str, list[Entry]] = {}
        for one in waiting.values():
            wanted.setdefault(one.value, []).append(one)
        for listed in sorted(self.store.directory.glob(f"*/{ENTRIES}")) if wanted else ():
            with contextlib.suppress(OSError, ValueError), listed.open() as lines:
                for line in lines:
                    value, _, path = line.partition(" ")
                    for one in wanted.pop(value, ()):
                        with contextlib.suppress(OSError), (listed.parent / "tree" / json.loads(path)).open("rb") as file:
                            if _write(tree / one.path, one, file):
                                del waiting[one.path]
                                self.came.layers += one.size

    def _from_packages(self, waiting: dict[str, Entry], tree: Path) -> None:
        for path, content in self.published() if waiting else ():
            if (one := waiting.get(path)) is None:
                continue
            try:
                fits = _write(tree / path, one, content)
            except PackageError:
                (tree / path).unlink(missing_ok=True)
                continue
            if fits:
                del waiting[path]
                self.came.packages += one.size


@dataclass(slots=True)
class _Bytes:
    data: bytes

    def read(self, size: int, /) -> bytes:
        block, self.data = self.data[:size], self.data[size:]
        return block


def _write(path: Path, entry: Entry, content: Readable) -> bool:
    """Write a file with this content. Returns False, and leaves no file, if the content is not that of ``entry``."""
    digest, size = hashlib.blake2b(digest_size=32), 0
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as out:
        while block := content.read(limits.READ_BLOCK):
            size += len(block)
            if size > entry.size:
                break
            digest.update(block)
            out.write(block)
        fits = size == entry.size and digest.hexdigest() == entry.value
        out.flush()
        if fits:
            os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode)
            os.utime(fd, (entry.mtime, entry.mtime))
    if not fits:
        path.unlink()
    return fits

"""This runs on the copied host and only reads: it prints a listing of what may leave, and then the contents that are wanted.

It is started like ``targets/collect``. The other side answers the listing with lines of numbers: the entries whose contents it
wants. It gets them one after the other, each with exactly the listed number of bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Literal

from portage_ext import limits
from portage_ext.errors import InvalidCpvError
from portage_ext.limits import builds as bounds
from portage_ext.model.cpv import Cpv
from portage_ext.targets.copying import chosen
from portage_ext.targets.copying.listing import Entry, Layer, Left

_ATOM: Final = re.compile(r"[<>=~!]*([A-Za-z0-9+_.-]+/[A-Za-z0-9+_.*-]+)")
_DEPENDENCIES: Final = ("RDEPEND", "PDEPEND", "IDEPEND")
_COUNTER: Final = b"1\n"


def main() -> int:
    """Print the listing, then the contents. The exit status is 0."""
    from portage_ext.targets.collect import system_packages

    host = Host(Path("/"))
    host.read(system_packages())
    entries = host.sorted()
    for line in (*(one.emit() for one in entries), *(one.emit() for one in host.staying())):
        print(line)
    print(json.dumps({"entries": len(entries)}), flush=True)
    out = sys.stdout.buffer
    for wanted in sys.stdin.buffer:
        for number in json.loads(wanted):
            host.send(entries[number], out)
        out.flush()
    return 0


@dataclass(slots=True)
class Host:
    """The files of the host below ``root``."""

    root: Path
    _left: list[Left] = field(default_factory=list)
    _entries: dict[tuple[Layer, str], Entry] = field(default_factory=dict)
    _owned: set[str] = field(default_factory=set)
    _made: dict[str, bytes] = field(default_factory=dict)
    """Contents that are not as in the file."""
    _real: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def read(self, system: Iterable[str]) -> None:
        """List everything that may leave. ``system`` are the names of the packages in @system. Raises OSError."""
        packages = self._packages()
        base = _closure(system, packages)
        for name, entries in sorted(packages.items()):
            layer: Layer = "base" if name in base else "state"
            for entry in entries:
                self._package(layer, entry)
        for path in chosen.USERS:
            with contextlib.suppress(OSError):
                self._make("config", path, chosen.users((self.root / path).read_bytes()))
        for top in chosen.WALKED:
            self._walk(top)

    def sorted(self) -> list[Entry]:
        """All entries, by layer and path."""
        return [self._entries[key] for key in sorted(self._entries)]

    def staying(self) -> list[Left]:
        """What does not leave, and why."""
        taken = {path for _, path in self._entries}
        return sorted((one for one in set(self._left) if one.path not in taken), key=lambda one: one.path)

    def send(self, entry: Entry, out: IO[bytes]) -> None:
        """Write exactly ``entry.size`` bytes: the content, if it is still as listed. Otherwise its digest will not fit."""
        left = entry.size
        if entry.path in self._made:
            out.write(self._made[entry.path])
            return
        with contextlib.suppress(OSError), _opened(self.root / entry.path) as file:
            while left and (block := file.read(min(left, limits.READ_BLOCK))):
                out.write(block)
                left -= len(block)
        while left:
            out.write(bytes(count := min(left, limits.READ_BLOCK)))
            left -= count

    def _packages(self) -> dict[str, list[Path]]:
        """The entries of the vdb by the name of the package."""
        found: dict[str, list[Path]] = {}
        for entry in sorted((self.root / chosen.VDB).glob("*/*")):
            with contextlib.suppress(InvalidCpvError):
                found.setdefault(Cpv.parse(f"{entry.parent.name}/{entry.name}").cp, []).append(entry)
        return found

    def _package(self, layer: Layer, entry: Path) -> None:
        for path in sorted(entry.iterdir()):
            if chosen.is_vdb_file(path.name) and path.is_file():
                data = _COUNTER if path.name == "COUNTER" else path.read_bytes()
                self._make(layer, str(path.relative_to(self.root)), data)
        for line in (entry / "CONTENTS").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "obj":
                name, md5, _ = rest.rsplit(" ", 2)
                self._add(layer, name, md5)
            elif kind in ("dir", "sym"):
                self._add(layer, rest.partition(" -> ")[0] if kind == "sym" else rest, "")

    def _walk(self, top: str) -> None:
        """List files that no package owns."""
        for directory, names, files in os.walk(self.root / top):
            below = os.path.relpath(directory, self.root)
            names.sort()
            walked = chosen.is_walked(below)
            for name in (*names, *files) if walked else ():
                path = f"{below}/{name}"
                if path in self._owned:
                    continue
                if chosen.is_program(path) and os.path.islink(self.root / path):
                    self._add("config", path, "")
                elif chosen.is_named(path):
                    self._add_named(path)
        if os.path.islink(self.root / top):
            self._add("config", top, "")

    def _add_named(self, path: str) -> None:
        if os.path.islink(self.root / path):
            self._add("config", path, "")
            return
        with contextlib.suppress(OSError), _opened(self.root / path) as file:
            if chosen.has_secret(file.read(bounds.COPY_NAMED + 1)):
                self._left.append(Left(path, "it has a URL with a password, or a private key"))
                return
            self._add("config", path, None)

    def _add(self, layer: Layer, path: str, md5: str | None) -> None:
        """List the file at ``path`` as it is now. ``md5`` is that of the file as it was installed; None: it may be anything."""
        path = os.path.normpath(path).lstrip("/")
        above, everyone = self._parent(os.path.dirname(path))
        path = f"{above}/{os.path.basename(path)}".lstrip("/")
        if not path or path in self._owned or not chosen.may_come(path):
            if path and path not in self._owned:
                self._left.append(Left(path, "it is not where programs or configuration are"))
            return
        try:
            found = os.lstat(self.root / path)
        except OSError:
            return  # it was removed, also in the environment
        kind: Literal["d", "f", "l"] = "d" if stat.S_ISDIR(found.st_mode) else "l" if stat.S_ISLNK(found.st_mode) else "f"
        size, value, mtime = 0, "", 0
        if kind == "l":
            value = os.readlink(self.root / path)
        elif kind == "f":
            if not stat.S_ISREG(found.st_mode):
                return
            if not everyone or not found.st_mode & stat.S_IROTH:
                self._left.append(Left(path, "not every user may read it"))
                return
            size, value, now = self._digests(path)
            if md5 is not None and md5 != now and not chosen.is_program(path):
                self._left.append(Left(path, "it was changed since its package was installed"))
                return
            # Times of files that programs made differ between hosts, and nothing reads them.
            mtime = 0 if md5 is None else int(found.st_mtime)
        self._owned.add(path)
        self._parents(layer, path)
        mode = 0o777 if kind == "l" else found.st_mode & 0o1777
        self._entries[layer, path] = Entry(layer, path, kind, mode, found.st_uid, found.st_gid, mtime, size, value)

    def _make(self, layer: Layer, path: str, data: bytes) -> None:
        self._owned.add(path)
        self._made[path] = data
        self._parents(layer, path)
        value = hashlib.blake2b(data, digest_size=32).hexdigest()
        self._entries[layer, path] = Entry(layer, path, "f", 0o644, 0, 0, 0, len(data), value)

    def _parents(self, layer: Layer, path: str) -> None:
        while (path := os.path.dirname(path)) and (layer, path) not in self._entries:
            found = os.lstat(self.root / path)
            self._entries[layer, path] = Entry(layer, path, "d", found.st_mode & 0o1777, found.st_uid, found.st_gid, 0, 0, "")

    def _parent(self, directory: str) -> tuple[str, bool]:
        """The directory below the root with no symbolic link in its path, and whether every user may look into it."""
        if directory not in self._real:
            top = os.path.realpath(self.root)
            real = os.path.relpath(os.path.realpath(os.path.join(top, directory)), top)
            parts = [] if real == "." else real.split("/")
            below = [os.path.join(top, *parts[:count]) for count in range(1, len(parts) + 1)]
            everyone = all(os.path.isdir(one) and os.stat(one).st_mode & stat.S_IXOTH for one in below)
            self._real[directory] = "/".join(parts), everyone
        return self._real[directory]

    def _digests(self, path: str) -> tuple[int, str, str]:
        """The size of a file, its BLAKE2B, and its MD5, which CONTENTS has."""
        strong, weak, size = hashlib.blake2b(digest_size=32), hashlib.md5(usedforsecurity=False), 0
        with _opened(self.root / path) as file:
            while block := file.read(limits.READ_BLOCK):
                strong.update(block)
                weak.update(block)
                size += len(block)
        return size, strong.hexdigest(), weak.hexdigest()


def _opened(path: Path) -> IO[bytes]:
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def _closure(system: Iterable[str], packages: dict[str, list[Path]]) -> set[str]:
    """The names of installed packages in @system and of what they need at run time."""
    found: set[str] = set()
    waiting = [name for name in system if name in packages]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [need for entry in packages[name] for need in _needs(entry, packages)]
    return found


def _needs(entry: Path, packages: dict[str, list[Path]]) -> Iterator[str]:
    for variable in _DEPENDENCIES:
        with contextlib.suppress(OSError):
            for atom in _ATOM.findall((entry / variable).read_text(encoding="utf-8", errors="replace")):
                name = atom.rstrip("*")
                while name and name not in packages and "-" in name.partition("/")[2]:
                    name = name.rpartition("-")[0]  # the version
                if name in packages:
                    yield name


if __name__ == "__main__":
    sys.exit(main())

"""What the loader of a root would find for a soname: the directories of ld.so.conf and its includes, then its own.

Answers come from the current files, each read once. Links are resolved inside the root. In an offset prefix without its own
C library, libraries that the host's loader finds count too, because that loader runs the programs.
Sources: ld.so(8), ldconfig(8), env-update(1), gcc-config(8), musl's dynlink.c for ``ld-musl-*.path``.
"""

from __future__ import annotations

import fnmatch
import glob
import mmap
import os
import posixpath
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

from portage_ext.elf.places import DEFAULT, gcc_profile
from portage_ext.elf.reader import MAGIC, BrokenElfError, ElfObject, read_object
from portage_ext.limits import LOADER_CONF_FILES, LOADER_CONF_PATTERNS, LOADER_CONF_SIZE, SYMBOLIC_LINKS
from portage_ext.model.contract import Library, Need

_BLANK: Final = " \t\r\v\f"
"""What is white space in C, within a line."""
_C_LIBRARIES: Final = ("libc.so.6", "libc.so.6.1", "libc.so")


class System:
    """The libraries of ``root`` (ROOT), and of the host if ``eprefix`` has no C library.

    ``without`` are files, absolute within the root, that count as removed.
    """

    def __init__(self, root: Path, eprefix: str = "", without: Collection[str] = ()) -> None:
        self.root = os.fspath(root).rstrip("/")
        # One file may be known by several names: a directory of the root may be a link, as /lib64 is.
        self._without = frozenset(os.path.realpath(self._real(path)) for path in without)
        self.eprefix = eprefix.rstrip("/")
        self._objects: dict[str, ElfObject | None] = {}
        self._directories: dict[str, frozenset[str]] = {}
        self._canonical: dict[str, str] = {}
        self._judged: dict[str, bool] = {}
        self._places: dict[str, tuple[str, ...]] = {}
        self._unread: set[str] = set()
        """Files of the loader's configuration that could not be read completely. Then nothing is proven to be missing."""

    @cached_property
    def directories(self) -> tuple[str, ...]:
        """The directories of the loader, in its order; absolute within the root."""
        return tuple(dict.fromkeys((*self._own, *self._hosts)))

    @cached_property
    def announced(self) -> tuple[str, ...]:
        """The directories in which Portage searches for users of a library to preserve; fewer than those of the loader."""
        return *self._conf(self.eprefix + "/etc/ld.so.conf", set(), set()), "/usr/lib", "/lib"

    @cached_property
    def _own(self) -> tuple[str, ...]:
        return *self._configured(self.eprefix), *(self.eprefix + place for place in DEFAULT)

    @cached_property
    def _hosts(self) -> tuple[str, ...]:
        return (*self._configured(""), *DEFAULT) if self.eprefix else ()

    def _has_c_library(self, category: str, directories: tuple[str, ...]) -> bool:
        names = (*_C_LIBRARIES, *self._musl)
        found = (self._at(place, name) for place in directories for name in names)
        return any(one is not None and one.category == category for one in found)

    def _searched(self, category: str) -> tuple[str, ...]:
        if category not in self._places:
            own = self._has_c_library(category, self._own)
            self._places[category] = self._own if own else self.directories
        return self._places[category]

    def judges(self, category: str) -> bool:
        """Whether anything of ``category`` can run here, and the directories of the loader are known.

        A root without a C library is still being filled.
        """
        if category not in self._judged:
            found = self._has_c_library(category, self._searched(category))
            # Where the loader looks is only known once its configuration has been read.
            self._judged[category] = found and not self._unread
        return self._judged[category]

    def candidates(self, library: Library, search: tuple[str, ...] = ()) -> tuple[frozenset[str], ...]:
        """What the libraries define that the loader may take: the system's first, and those in ``search``."""
        category, soname = library
        if "/" in soname:
            one = self._object(soname)
            return (one.defines,) if one is not None and one.category == category else ()
        found = [one for place in search if (one := self._at(place, soname)) is not None and one.category == category]
        first = next(self._installed(library), None)
        if first is None and (soname == "libc.so" or soname.startswith("libc.musl-")):
            # musl's loader is the library, whatever the soname.
            first = next((one for name in self._musl if (one := self._at(self.eprefix + "/lib", name)) is not None), None)
        return tuple(one.defines for one in (*found, *((first,) if first is not None else ())))

    def at(self, library: Library, directory: str) -> frozenset[str] | None:
        """What ``library`` defines where it lies in ``directory``; None when it is not there."""
        one = self._at(directory, library[1])
        return one.defines if one is not None and one.category == library[0] else None

    def canonical(self, directory: str) -> str:
        """``directory`` of the root without links, as far as it is there: one place by one name."""
        if directory not in self._canonical:
            real = self._real(directory)
            self._canonical[directory] = real[len(self.root) :] if self.root else os.path.realpath(real)
        return self._canonical[directory]

    @cached_property
    def everybodys(self) -> frozenset[str]:
        """The directories without links in which everybody's libraries are looked for."""
        return frozenset(map(self.canonical, self.directories))

    def _installed(self, library: Library) -> Iterator[ElfObject]:
        category, soname = library
        for place in self._searched(category):
            one = self._at(place, soname)
            if one is not None and one.category == category:
                yield one

    def holds(self, need: Need, search: tuple[str, ...] = ()) -> bool:
        """Whether the loader would accept this. A library that only a plugin misses does not count."""
        if not self.judges(need.category):
            return True
        candidates = self.candidates(need.library, search)
        if not candidates:
            return need.plugin
        return any(not defined or need.versions <= defined for defined in candidates)

    def missing(self, need: Need, search: tuple[str, ...] = ()) -> frozenset[str]:
        """The versions of ``need`` that what the loader finds does not define; empty when there is no such library at all."""
        return min((need.versions - defined for defined in self.candidates(need.library, search)), key=len, default=frozenset())

    def unselected(self, need: Need) -> str | None:
        """The profile of gcc-config that would meet ``need`` and is not the one selected."""
        for directory in self._compilers():
            one = self._at(directory, need.soname) if directory not in self.directories else None
            if one is not None and one.category == need.category and (not one.defines or need.versions <= one.defines):
                return gcc_profile(directory, self.eprefix)
        return None

    def _compilers(self) -> Iterator[str]:
        for lib in ("lib", "lib64"):
            base = f"{self.eprefix}/usr/{lib}/gcc"
            for chost in sorted(self.names(base)):
                for version in sorted(self.names(f"{base}/{chost}"), reverse=True):
                    for multilib in ("", "/32", "/x32", "/64"):
                        yield f"{base}/{chost}/{version}{multilib}"

    @cached_property
    def _musl(self) -> tuple[str, ...]:
        return tuple(fnmatch.filter(self.names(self.eprefix + "/lib"), "ld-musl-*.so.1"))

    def _configured(self, prefix: str) -> Iterator[str]:
        for name in sorted(fnmatch.filter(self.names(prefix + "/etc"), "ld-musl-*.path")):
            for line in self._text(f"{prefix}/etc/{name}").replace(":", "\n").splitlines():
                if line.startswith("/"):
                    yield line.rstrip("/")
        yield from self._conf(prefix + "/etc/ld.so.conf", set(), set())

    def _conf(self, path: str, seen: set[str], included: set[str]) -> Iterator[str]:
        """The directories of one file, a line each as ldconfig reads it (parse_conf and add_dir in glibc's elf/ldconfig.c).

        A colon, a comma and a space are part of a name; "=" begins a type of library, which is passed over. ``seen`` are the
        files until now, ``included`` the patterns.
        """
        if path in seen:
            return
        if len(seen) >= LOADER_CONF_FILES:
            self._unread.add(path)
            return
        seen.add(path)
        for line in self._text(path).split("\n"):
            line = line.partition("#")[0].strip(_BLANK)
            words = line.split()
            if words[:1] == ["include"]:
                for word in words[1:]:
                    pattern = posixpath.join(posixpath.dirname(path), word)
                    if pattern in included:
                        continue
                    if len(included) >= LOADER_CONF_PATTERNS:
                        self._unread.add(path)
                        break
                    included.add(pattern)
                    for file in self._matching(pattern):
                        yield from self._conf(file, seen, included)
            elif line.startswith("/"):
                yield line.partition("=")[0].rstrip(_BLANK).rstrip("/") or "/"

    def _matching(self, pattern: str) -> list[str]:
        """The files that glob(3) finds for ``pattern``."""
        directory, base = posixpath.split(pattern)
        # No path is longer than PATH_MAX, and fnmatch takes the square of the brackets' number.
        if glob.has_magic(directory) or len(pattern) > 4096:
            self._unread.add(pattern)
            return []
        found = (name for name in self.names(directory) if base.startswith(".") or not name.startswith("."))
        return [f"{directory}/{name}" for name in sorted(fnmatch.filter(found, base))]

    def _text(self, path: str) -> str:
        """A file of the configuration; empty where it is not there, or cannot be read whole, which is noted."""
        try:
            with open(self._real(path), "rb") as file:
                data = file.read(LOADER_CONF_SIZE + 1)
        except (FileNotFoundError, NotADirectoryError, ValueError):  # of a name with a NUL in it
            return ""
        except OSError:
            self._unread.add(path)
            return ""
        if len(data) > LOADER_CONF_SIZE:
            self._unread.add(path)
        return data[:LOADER_CONF_SIZE].decode("utf-8", "surrogateescape")

    def names(self, directory: str) -> frozenset[str]:
        """What ``directory`` of the root has."""
        if directory not in self._directories:
            try:
                self._directories[directory] = frozenset(os.listdir(self._real(directory)))
            except (OSError, ValueError):
                self._directories[directory] = frozenset()
        return self._directories[directory]

    def _at(self, directory: str, name: str) -> ElfObject | None:
        return self._object(f"{directory}/{name}") if name in self.names(directory) else None

    def _object(self, path: str) -> ElfObject | None:
        if "\0" in path:
            return None
        if path not in self._objects:
            real = self._real(path)
            gone = self._without and os.path.realpath(real) in self._without
            self._objects[path] = None if gone else _open_object(real)
        return self._objects[path]

    def _real(self, path: str) -> str:
        """``path`` of the root as a path of this process, absolute links taken to start at the root."""
        if not self.root:
            return path
        done, waiting = "", [part for part in reversed(path.split("/")) if part not in ("", ".")]
        links = 0
        while waiting:
            part = waiting.pop()
            if part == "..":
                done = posixpath.dirname(done)
                continue
            try:
                target = os.readlink(f"{self.root}{done}/{part}")
            except OSError:
                done = f"{done}/{part}" if done != "/" else f"/{part}"
                continue
            links += 1
            if links > SYMBOLIC_LINKS:
                break
            done = "" if target.startswith("/") else done
            waiting += [piece for piece in reversed(target.split("/")) if piece not in ("", ".")]
        return self.root + done


def _open_object(path: str) -> ElfObject | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.read(fd, len(MAGIC)) != MAGIC:
            return None
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as data:
            return read_object(data)
    except (OSError, ValueError, BrokenElfError):
        return None
    finally:
        os.close(fd)

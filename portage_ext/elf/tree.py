"""The ELF objects of an image or of a list of installed files, found by their first four bytes, not by name or mode.

Unreadable and broken files are left out and returned by path, so that one bad file does not affect the others.
"""

from __future__ import annotations

import mmap
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from portage_ext.elf.compute import contract_of
from portage_ext.elf.places import is_library
from portage_ext.elf.reader import MAGIC, BrokenElfError, Bytes, ElfObject, read_object
from portage_ext.limits import ELF_SIZE, LOADER_CONF_SIZE
from portage_ext.model.contract import Library, SymbolContract


@dataclass(slots=True)
class Objects:
    """``found`` by absolute path; ``broken`` are paths and reasons; ``public`` directories that it announces.

    ``links`` are names of libraries that are links, with where they lead.
    """

    found: dict[str, ElfObject] = field(default_factory=dict)
    broken: list[tuple[str, str]] = field(default_factory=list)
    public: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, data: Bytes) -> None:
        """Take in the file ``path`` with the content ``data`` if it is an object."""
        try:
            one = read_object(data)
        except BrokenElfError as error:
            self.broken.append((path, str(error)))
        else:
            if one is not None:
                self.found[path] = one

    def same(self, path: str, other: str) -> None:
        """Take in ``path``, another name of the file ``other``."""
        if other in self.found:
            self.found[path] = self.found[other]

    def forget(self, path: str) -> None:
        """Forget what was at ``path``, because something else replaces it."""
        self.found.pop(path, None)
        self.links.pop(path, None)

    def link(self, path: str, target: str) -> None:
        """Take in the symbolic link ``path`` if it may be the name of a library."""
        directory, name = posixpath.split(path)
        if is_library(name):
            self.links[path] = posixpath.normpath(posixpath.join(directory, target))

    def announce(self, path: str, text: bytes, eprefix: str = "") -> None:
        """Take in the directories that ``path``, a file of ld.so.conf.d or env.d, adds to the loader's."""
        for line in text.decode("utf-8", "replace").splitlines():
            if "/etc/env.d/" in path:
                name, _, value = line.partition("=")
                words = value.strip().strip("\"'").split(":") if name.strip() == "LDPATH" else []
            else:
                words = line.partition("#")[0].replace(",", ":").replace("\t", ":").replace(" ", ":").split(":")
            self.public.update(word.rstrip("/") for word in words if word.startswith("/"))

    def contract(self, *, eprefix: str = "", public: Iterable[str] = (), optional: Iterable[Library] = ()) -> SymbolContract:
        """The contract of these objects as one package; see :func:`contract_of`."""
        everybody = {*public, *self.public}
        return contract_of(self.found, eprefix=eprefix, public=everybody, optional=set(optional), links=self.links)


def announces(path: str, eprefix: str = "") -> bool:
    """Whether the file ``path`` can add directories to the loader's."""
    return path.startswith((f"{eprefix}/etc/ld.so.conf.d/", f"{eprefix}/etc/env.d/"))


def read_image(image: Path, *, eprefix: str = "") -> Objects:
    """The objects below the directory ``image``, which represents the root. Links are not followed. Raises OSError."""
    links: list[str] = []
    objects = read_files(image, _walk(os.fspath(image), links), eprefix=eprefix)
    for path in links:
        objects.link(path, os.readlink(os.fspath(image).rstrip("/") + path))
    return objects


def read_files(root: Path, paths: Iterable[str], *, eprefix: str = "") -> Objects:
    """The objects among ``paths``, absolute within ``root``."""
    objects = Objects()
    base = os.fspath(root).rstrip("/")
    for path in paths:
        try:
            _read(objects, base + path, path, eprefix)
        except OSError as error:
            objects.broken.append((path, error.strerror or str(error)))
    return objects


def _walk(image: str, links: list[str]) -> Iterator[str]:
    """The files below ``image``; those links that may be names of libraries are put into ``links``."""
    base = len(image.rstrip("/"))
    waiting = [image]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry.path[base:]
                elif is_library(entry.name):
                    links.append(entry.path[base:])


def _read(objects: Objects, real: str, path: str, eprefix: str) -> None:
    # Not through a link, and never waiting for a pipe's other end.
    fd = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        head = os.read(fd, len(MAGIC))
        if head == MAGIC:
            status = os.fstat(fd)
            if stat.S_ISREG(status.st_mode) and status.st_size <= ELF_SIZE:
                with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as data:
                    objects.add(path, data)
        elif announces(path, eprefix):
            objects.announce(path, head + os.read(fd, LOADER_CONF_SIZE), eprefix)
    finally:
        os.close(fd)

"""The store of an overlay is untrusted: only regular files inside it are read, and their size and number are limited.

A symbolic link is replaced by the file that it points to, if that is in the overlay. A package with a link to the outside, a
pipe, a device, a file name that is not text, or too many or too large files is refused, and the reason is reported.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from portage_ext import limits
from portage_ext.errors.repositories import RepositoryError
from portage_ext.limits import repositories as bounds
from portage_ext.repositories.pick.checkout import Checkout
from portage_ext.repositories.pick.wanted import is_cp
from portage_ext.repositories.swap import File

_ALWAYS = ("profiles/", "eclass/", "metadata/layout.conf")
_NO_CATEGORY = frozenset({"profiles", "eclass", "metadata", "licenses", "scripts", ".git"})


class RefusedError(Exception):
    """Something in an overlay is refused; the message is the reason."""


class Overlay:
    """The files below ``root``. With ``checkout``, requested files are fetched first."""

    def __init__(self, root: Path, checkout: Checkout | None = None, likely: Iterable[str] = ()) -> None:
        """``likely`` are packages and files that will probably be needed; they are fetched together at the start.

        Raises RepositoryError, OSError.
        """
        self.root = root
        self._checkout = checkout
        self._shown: set[str] = set()
        names = checkout.names() if checkout is not None else _walked(root)
        if len(names) > bounds.OVERLAY_FILES:
            raise RepositoryError(str(root), f"the overlay has more than {bounds.OVERLAY_FILES} files", "Ask its maintainers")
        self._names = frozenset(names)
        packages: dict[str, list[str]] = {}
        for name in names:
            category, _, rest = name.partition("/")
            if rest.count("/") and category not in _NO_CATEGORY:
                packages.setdefault(f"{category}/{rest.partition('/')[0]}", []).append(name)
        self._packages = {cp: files for cp, files in packages.items() if is_cp(cp) and any(map(_is_ebuild, files))}
        asked = set(likely)
        self.show([*(asked & self._names), *self._of_packages(asked & self._packages.keys())])

    @property
    def packages(self) -> Mapping[str, list[str]]:
        """The packages by ``category/name`` with the paths of their files."""
        return self._packages

    def show(self, paths: Iterable[str]) -> None:
        """Fetch these files or directories (with ``/`` at their end) into the store. Raises RepositoryError."""
        wanted = self._shown.union(paths, _ALWAYS)
        if self._checkout is not None and wanted != self._shown:
            self._checkout.show(wanted)
        self._shown = wanted

    def show_packages(self, packages: Iterable[str]) -> None:
        """Fetch these packages and their entries in the overlay's md5-cache into the store. Raises RepositoryError."""
        self.show(self._of_packages(packages))

    def _of_packages(self, packages: Iterable[str]) -> list[str]:
        paths: list[str] = []
        for cp in packages:
            cached = (f"metadata/md5-cache/{cpv}" for cpv in self.ebuilds(cp))
            paths += [f"{cp}/", *(one for one in cached if one in self._names)]
        return paths

    def ebuilds(self, cp: str) -> dict[str, str]:
        """The ebuilds of a package: ``category/name-version`` to path."""
        return ebuilds(cp, self._packages.get(cp, ()))

    def eclasses(self) -> dict[str, File | RefusedError]:
        """The overlay's eclasses by name; for an eclass that is refused, the value is the reason."""
        found: dict[str, File | RefusedError] = {}
        for path in self.below("eclass"):
            if path.endswith(".eclass") and path.count("/") == 1:
                try:
                    found[path[len("eclass/") : -len(".eclass")]] = self.file(path)
                except RefusedError as error:
                    found[path[len("eclass/") : -len(".eclass")]] = error
        return found

    def below(self, directory: str) -> list[str]:
        """The paths of all files below a directory, sorted."""
        return sorted(name for name in self._names if name.startswith(directory + "/"))

    def package(self, cp: str) -> dict[str, File]:
        """All files of a package by their path in the overlay. Raises RefusedError, RepositoryError."""
        paths = self._packages[cp]
        if len(paths) > bounds.OVERLAY_PACKAGE_FILES:
            raise RefusedError(f"it has more than {bounds.OVERLAY_PACKAGE_FILES} files")
        found: dict[str, File] = {}
        left = bounds.OVERLAY_PACKAGE_SIZE
        for path in paths:
            found[path] = self.file(path)
            left -= len(found[path].data)
            if left < 0:
                raise RefusedError(f"its files have more than {bounds.OVERLAY_PACKAGE_SIZE >> 20} MiB")
        return found

    def text(self, path: str) -> str:
        """The text of a file of the overlay; empty if it does not exist. Raises RefusedError."""
        if path not in self._names:
            return ""
        return self.file(path).data.decode("utf-8", "replace")

    def texts(self, path: str) -> str:
        """The text of a file, or of all files in a directory of that name; Portage reads both. Raises RefusedError."""
        parts = [self.text(path), *(self.text(one) for one in self.below(path) if "/." not in one and one[-1] != "~")]
        return "".join(part if part.endswith("\n") or not part else f"{part}\n" for part in parts)

    def file(self, path: str) -> File:
        """Read the file of the overlay at ``path``. Raises RefusedError."""
        return self._file(path, path, 0)

    def _file(self, path: str, asked: str, links: int) -> File:
        if not asked.isprintable() or "\\" in asked:
            raise RefusedError(f"the name {asked!r} is no text that a repository may have")
        where = self.root / path
        try:
            descriptor = os.open(where, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.ELOOP:
                return self._file(self._target(path, asked, links), asked, links + 1)
            raise RefusedError(f"{asked} cannot be read: {error.strerror}") from error
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise RefusedError(f"{asked} is no regular file")
            data = file.read(bounds.OVERLAY_FILE_SIZE + 1)
        if len(data) > bounds.OVERLAY_FILE_SIZE:
            raise RefusedError(f"{asked} is larger than {bounds.OVERLAY_FILE_SIZE >> 20} MiB")
        return File(data, bool(status.st_mode & stat.S_IXUSR))

    def _target(self, path: str, asked: str, links: int) -> str:
        """The path in the overlay to which a symbolic link points. Raises RefusedError."""
        target = os.readlink(self.root / path)
        found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if target.startswith("/") or found == ".." or found.startswith(("../", ".git/")):
            raise RefusedError(f"{asked} is a symbolic link out of the overlay ({target})")
        if found not in self._names or links >= limits.SYMBOLIC_LINKS:
            raise RefusedError(f"{asked} is a symbolic link to nothing that the overlay has ({target})")
        self.show((found,))
        return found


def ebuilds(cp: str, paths: Iterable[str]) -> dict[str, str]:
    """The ebuilds of the package ``cp`` among ``paths``: ``category/name-version``, and the path."""
    category, _, name = cp.partition("/")
    start = f"{cp}/{name}-"
    return {
        f"{category}/{path[len(cp) + 1 : -len('.ebuild')]}": path
        for path in paths
        if path.startswith(start) and _is_ebuild(path)
    }


def _is_ebuild(path: str) -> bool:
    return path.endswith(".ebuild") and path.count("/") == 2


def _walked(root: Path) -> list[str]:
    """The paths below ``root`` of everything that is not a directory. Raises OSError."""
    found: list[str] = []

    def failed(error: OSError) -> None:
        raise error

    for directory, below, names in os.walk(root, onerror=failed):
        if directory == str(root) and ".git" in below:
            below.remove(".git")
        start = "" if directory == str(root) else os.path.relpath(directory, root) + "/"
        found += [start + name for name in names]
        found += [start + name for name in below if os.path.islink(os.path.join(directory, name))]
        if len(found) > bounds.OVERLAY_FILES:
            break
    return found

"""A package is copied with all its files from the current overlay; if it is refused, the copy of the last sync is kept.

All files are copied, because the Manifest covers all of them, and because masks and keywords decide between versions. An ebuild
whose metadata cannot be read is copied too, and is reported. If an ebuild does not terminate, its package is refused, because
it would block every emerge that reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from portage_ext.repositories import cache
from portage_ext.repositories.cache import Metadata
from portage_ext.repositories.pick.eclasses import Eclasses
from portage_ext.repositories.pick.overlay import Overlay, RefusedError, ebuilds
from portage_ext.repositories.pick.reading import Answer, Readers, Unreadable
from portage_ext.repositories.swap import Contents, File


@dataclass(frozen=True, slots=True)
class Package:
    """A package: its files by path, and the metadata of each ebuild, or why it cannot be read (``unreadable``)."""

    cp: str
    files: Mapping[str, File]
    metadata: Mapping[str, Metadata]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    eclasses: Mapping[str, File] = field(default_factory=dict)
    """The eclasses of the overlay that it needs."""
    kept: str = ""
    """Why the copy of the last sync is used; empty if the package comes from the current overlay."""


class Packages:
    """The packages of ``overlay``, and of ``before``, the repository that the last sync made."""

    def __init__(self, overlay: Overlay, eclasses: Eclasses, readers: Readers, before: Contents) -> None:
        self._overlay = overlay
        self._eclasses = eclasses
        self._readers = readers
        self._before = before
        self._before_paths: dict[str, list[str]] = {}
        for path in before:
            category, _, rest = path.partition("/")
            self._before_paths.setdefault(f"{category}/{rest.partition('/')[0]}", []).append(path)
        self.refused: dict[str, str] = {}
        """The packages that were refused, and why. This includes packages of which the last copy is kept."""

    def has(self, cp: str) -> bool:
        """Whether the overlay has the package."""
        return cp in self._overlay.packages

    def names(self) -> Iterable[str]:
        """All packages of the overlay."""
        return self._overlay.packages

    def load(self, wanted: Iterable[str]) -> dict[str, Package]:
        """Load the packages in ``wanted``; refused ones are left out. Raises RepositoryError, ConfinementError."""
        names = sorted(set(wanted))
        here = [cp for cp in names if self.has(cp)]
        self._overlay.show_packages(here)
        files: dict[str, dict[str, File]] = {}
        for cp in here:
            try:
                files[cp] = self._overlay.package(cp)
            except RefusedError as error:
                self.refused[cp] = str(error)
        said = self._said(files)
        found: dict[str, Package] = {}
        for cp in names:
            package = None
            if cp in files:
                try:
                    package = self._taken(cp, files[cp], said)
                except RefusedError as error:
                    self.refused[cp] = str(error)
            package = package or self._kept(cp)
            if package is not None:
                found[cp] = package
        return found

    def _said(self, packages: Mapping[str, Mapping[str, File]]) -> dict[str, Metadata | Unreadable]:
        """The metadata of every ebuild of ``packages``: from md5-cache if the entry is valid, or else by running the ebuild."""
        found: dict[str, Metadata | Unreadable] = {}
        unread: dict[str, File] = {}
        for cp, files in packages.items():
            for cpv, path in ebuilds(cp, files).items():
                entry = self._cached(cpv, files[path])
                if entry is None:
                    unread[cpv] = files[path]
                else:
                    found[cpv] = entry
        for cpv, answer in self._readers.read(unread).items():
            if isinstance(answer, Answer):
                digests = self._eclasses.digests(answer.eclasses)
                found[cpv] = Metadata({k: v for k, v in answer.values.items() if v}, cache.md5(unread[cpv].data), digests)
            else:
                found[cpv] = answer
        return found

    def _cached(self, cpv: str, ebuild: File) -> Metadata | None:
        path = cache.path(cpv)
        try:
            texts = [self._overlay.text(path)]
        except RefusedError:
            texts = []
        if path in self._before:
            texts.append(self._before[path].data.decode("utf-8", "replace"))
        for entry in map(cache.parse, texts):
            if entry is not None and cache.is_valid(entry, ebuild.data, self._eclasses.digests(entry.eclasses)):
                return entry
        return None

    def _taken(self, cp: str, files: Mapping[str, File], said: Mapping[str, Metadata | Unreadable]) -> Package:
        metadata: dict[str, Metadata] = {}
        unreadable: dict[str, str] = {}
        for cpv in ebuilds(cp, files):
            one = said[cpv]
            if isinstance(one, Metadata):
                metadata[cpv] = one
            elif one.endless:
                raise RefusedError(f"{cpv}: {one.why}")
            else:
                unreadable[cpv] = one.why
        inherited = sorted({name for one in metadata.values() for name in one.eclasses})
        return Package(cp, files, metadata, unreadable, self._eclasses.needed(inherited))

    def _kept(self, cp: str) -> Package | None:
        """The package as copied by the last sync; None if it was not there."""
        paths = self._before_paths.get(cp)
        if not paths:
            return None
        files = {path: self._before[path] for path in paths}
        metadata: dict[str, Metadata] = {}
        for cpv, path in ebuilds(cp, files).items():
            entry = self._before.get(cache.path(cpv))
            parsed = cache.parse(entry.data.decode("utf-8", "replace")) if entry is not None else None
            if parsed is not None and parsed.md5 == cache.md5(files[path].data):
                metadata[cpv] = parsed
        inherited = {name for one in metadata.values() for name in one.eclasses}
        own = {name: self._before[f"eclass/{name}.eclass"] for name in inherited if f"eclass/{name}.eclass" in self._before}
        return Package(cp, files, metadata, {}, own, kept=self.refused.get(cp, "the overlay has no such package any more"))

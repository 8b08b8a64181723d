"""What the loader would find after some steps of a merge list: the current system with the changes applied. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from portage_ext.model.contract import ANY, Library, Need, Placed

NOW: Final = -1


class Seen(Protocol):
    """A system as its loader sees it, perhaps without some files."""

    def candidates(self, library: Library, search: tuple[str, ...] = ()) -> tuple[frozenset[str], ...]:
        """What the libraries define that the loader may take: those in ``search``, then the system's."""
        ...


class Placing(Seen, Protocol):
    """A system that can be asked directory by directory."""

    def at(self, library: Library, directory: str) -> frozenset[str] | None:
        """What the library in ``directory`` defines; None when it is not there."""
        ...


@dataclass(frozen=True, slots=True)
class Provided:
    """A library after some steps: ``versions`` None is unknown, ``there`` false is gone; ``by`` is the step, or NOW."""

    versions: frozenset[str] | None
    there: bool
    by: int

    def meets(self, need: Need) -> bool:
        """Whether the loader accepts it, as far as is known."""
        return self.there and (self.versions is None or meets(need, self.versions))


class Simulated:
    """The libraries after some steps. ``public`` are those in the system's directories, ``private`` those in others."""

    def __init__(self, system: Placing) -> None:
        self._system = system
        self.public: dict[Library, Provided] = {}
        self.private: dict[Placed, Provided] = {}

    def options(self, need: Need, search: tuple[str, ...], *, ordered: bool = False) -> list[Provided]:
        """Everything that the loader may take for ``need``; what it finds by ``search`` comes first.

        ``ordered``: ``search`` is what the loader searches, in that order, so that it takes the first library and no other.
        """
        found = [one for one in self._options(need, search) if one.there]
        return found[:1] if ordered else found

    def _options(self, need: Need, search: tuple[str, ...]) -> Iterator[Provided]:
        for directory in search:
            anything = self.private.get((directory, (need.category, ANY)))
            if anything is not None:
                yield anything
            yield self.in_directory(need.library, directory)
        yield self.in_public(need.library)

    def in_directory(self, library: Library, directory: str) -> Provided:
        """The library as ``directory`` has it."""
        changed = self.private.get((directory, library))
        return changed if changed is not None else _now(self._system.at(library, directory))

    def in_public(self, library: Library) -> Provided:
        """The library in the public directories."""
        changed = self.public.get(library)
        if changed is None:
            directory, slash, name = library[1].rpartition("/")
            if slash and (directory, (library[0], name)) in self.private:
                return self.private[directory, (library[0], name)]
            return _now(next(iter(self._system.candidates(library)), None))
        return changed

    def met(self, need: Need, search: tuple[str, ...], *, ordered: bool = False) -> Provided | None:
        """What meets ``need``: known matches before possible ones, and installed libraries before those of the list."""
        options = [one for one in self.options(need, search, ordered=ordered) if one.meets(need)]
        return min(options, key=lambda one: (one.versions is None, one.by), default=None)

    def holds(self, need: Need, search: tuple[str, ...], *, ordered: bool = False) -> bool:
        """Whether the loader accepts this. A library that only a plugin misses does not count."""
        options = self.options(need, search, ordered=ordered)
        return any(one.meets(need) for one in options) if options else need.plugin

    def lacking(self, need: Need, search: tuple[str, ...], *, ordered: bool = False) -> frozenset[str]:
        """The versions that the best existing library lacks; all of them if there is none."""
        options = self.options(need, search, ordered=ordered)
        return min((need.versions - (one.versions or frozenset()) for one in options), key=len, default=need.versions)


def _now(versions: frozenset[str] | None) -> Provided:
    return Provided(versions if versions is not None else frozenset(), versions is not None, NOW)


def meets(need: Need, versions: frozenset[str]) -> bool:
    """Whether the loader accepts a library that defines ``versions``; a library without versions satisfies every version."""
    return not versions or need.versions <= versions


def holds(need: Need, candidates: tuple[frozenset[str], ...]) -> bool:
    """Whether the loader accepts one of ``candidates``. A library that only a plugin misses does not count."""
    return any(meets(need, versions) for versions in candidates) if candidates else need.plugin

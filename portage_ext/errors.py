"""Every failure has a name, and carries what a person needs: what, where, why, and what to do next.

An error formats itself; nobody else composes its message. Exit codes are not made here but in cli/.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True, eq=False)
class PortageExtError(Exception):
    """The root of all of this project's errors. Subclasses are dataclasses whose ``__str__`` is one clear sentence."""

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process pools; the default pickles args, which dataclasses do not fill.
        return type(self), tuple(getattr(self, field.name) for field in fields(self))


@dataclass(slots=True, eq=False)
class UsageError(PortageExtError):
    """A command was called with words that do not go together."""

    what: str

    def __str__(self) -> str:
        return self.what


# Living inside Portage.


@dataclass(slots=True, eq=False)
class UnknownPortageError(PortageExtError):
    """This Portage is not built the way portage-ext relies on: nothing is patched."""

    version: str
    what: str

    def __str__(self) -> str:
        return f"Portage {self.version} is not one that this version knows ({self.what}); emerge behaves as without portage-ext"

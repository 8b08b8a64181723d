"""What can be wrong with a repository that a sync makes."""

from __future__ import annotations

from dataclasses import dataclass

from portage_ext.errors import PortageExtError


@dataclass(slots=True, eq=False)
class RepositoryError(PortageExtError):
    """A repository cannot be made or read: ``where``, ``why``, and what to do (``todo``, without its full stop)."""

    where: str
    why: str
    todo: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}. {self.todo}."


@dataclass(slots=True, eq=False)
class ConfinementError(PortageExtError):
    """Foreign code cannot be run apart from this system; ``why`` is what the system said."""

    why: str

    def __str__(self) -> str:
        return f"foreign code cannot be run apart from this system: {self.why}"

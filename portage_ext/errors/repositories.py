"""What can be wrong with a repository that a sync makes."""

from __future__ import annotations

from typing import ClassVar

from portage_ext.errors import PortageExtError


class RepositoryError(PortageExtError):
    """A repository cannot be made or read: ``where``, ``why``, and what to do (``todo``, without its full stop)."""

    where: str
    why: str
    todo: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}. {self.todo}."


class ConfinementError(PortageExtError):
    """Foreign code cannot be run apart from this system; ``why`` is what the system said."""

    why: str

    def __str__(self) -> str:
        return f"foreign code cannot be run apart from this system: {self.why}"


class NotPickedError(PortageExtError):
    """repos.conf has no section of sync-type pick for an overlay."""

    has_lines: ClassVar[bool] = True
    overlay: str

    def __str__(self) -> str:
        return (
            f"repos.conf has no section [{self.overlay}] with sync-type = pick. Add these lines to a file in "
            "/etc/portage/repos.conf, with the address of the overlay, and try again:\n"
            f"[{self.overlay}]\nlocation = /var/db/repos/{self.overlay}\nsync-type = pick\nsync-uri = https://…"
        )

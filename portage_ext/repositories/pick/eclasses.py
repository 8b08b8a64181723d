"""An ebuild gets the eclass of its overlay, or else that of the overlay's masters, the last master first.

If a master has an eclass of the same name with other content, the overlay's eclass *shadows* it. Ebuilds that inherit it are
refused unless the administrator has allowed this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from portage_ext.limits import repositories as limits
from portage_ext.repositories import cache
from portage_ext.repositories.pick.overlay import RefusedError
from portage_ext.repositories.swap import File

ALL = "*"


class Eclasses:
    """``own`` are the overlay's eclasses, or the reason why one cannot be used. ``masters`` are the name and directory of each
    master, the most general first.

    ``allowed`` are the names of eclasses that may shadow one of a master, or ``*`` for all.
    """

    def __init__(
        self,
        own: Mapping[str, File | RefusedError],
        masters: Sequence[tuple[str, Path]],
        allowed: Collection[str] = (),
    ) -> None:
        self._own = own
        self._masters = masters
        self._allowed = allowed
        self._found: dict[str, tuple[str, str] | None] = {}

    def digests(self, names: Iterable[str]) -> dict[str, str]:
        """The MD5 digest of each of these eclasses that exists."""
        found: dict[str, str] = {}
        for name in names:
            own = self._own.get(name)
            if isinstance(own, File):
                found[name] = cache.md5(own.data)
            elif own is None and (master := self._master(name)) is not None:
                found[name] = master[1]
        return found

    def needed(self, names: Iterable[str]) -> dict[str, File]:
        """Those of the eclasses that must be copied from the overlay, because no master has the same. Raises RefusedError."""
        needed: dict[str, File] = {}
        for name in names:
            own = self._own.get(name)
            if isinstance(own, RefusedError):
                raise own
            if own is None:
                continue
            master = self._master(name)
            if master is None:
                needed[name] = own
            elif master[1] != cache.md5(own.data):
                if ALL not in self._allowed and name not in self._allowed:
                    raise RefusedError(f"its eclass {name} shadows the one of {master[0]}")
                needed[name] = own
        return needed

    def _master(self, name: str) -> tuple[str, str] | None:
        """The master that has an eclass of that name, and its MD5 digest; None if there is none."""
        if name not in self._found:
            self._found[name] = None
            for repository, location in reversed(self._masters):
                try:
                    with (location / "eclass" / f"{name}.eclass").open("rb") as file:
                        data = file.read(limits.OVERLAY_FILE_SIZE)
                except OSError:
                    continue
                self._found[name] = (repository, cache.md5(data))
                break
        return self._found[name]

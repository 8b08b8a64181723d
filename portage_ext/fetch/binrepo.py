"""One binrepo in one run of the fetcher: where its files are, which keys are trusted, and what was seen of it before."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from portage_ext import limits, locks
from portage_ext.config.settings import BinrepoSettings, Settings
from portage_ext.errors.trust import MissingRootError, TrustError
from portage_ext.fetch.mirrors import Mirrors, Transports, bases
from portage_ext.fetch.transfer import Patience
from portage_ext.records import record
from portage_ext.trust.memory import StateDirectory

if TYPE_CHECKING:
    from portage_ext.model.root import Root
    from portage_ext.trust.keyrings import TrustDirectory
    from portage_ext.trust.machine import Terms


@record
class Binrepo:
    """The binrepo ``name`` with the sync-uri ``base``. ``warn`` is called with what was left out or failed."""

    name: str
    base: str
    settings: Settings
    config_root: Path
    state: StateDirectory
    transports: Transports
    warn: Callable[[str], None]
    progress: Callable[[int], None]
    passing: tuple[Path, ...] = ()
    """Temporary keyrings that are also searched during this run (fetch/roots.py)."""

    @property
    def trust(self) -> TrustDirectory:
        """The pins and keyrings of this host."""
        from portage_ext.trust.keyrings import TrustDirectory

        return TrustDirectory(self.config_root)

    @property
    def own(self) -> BinrepoSettings:
        return self.settings.binrepo(self.name)

    @property
    def bases(self) -> tuple[str, ...]:
        return bases(self.base, self.own.mirrors)

    def terms(self, root: Root | None = None) -> Terms:
        """The conditions under which the binrepo is trusted. If root keys are pinned, they come from ``root`` (None: the kept
        root).

        Raises SettingsError, and MissingRootError if root keys are pinned but there is no root.
        """
        from portage_ext.trust import kept_root
        from portage_ext.trust.machine import Terms, delegated

        plain = Terms(self.name, self.trust.pins(self.name), self.own.release_required, self.own.channel)
        if self.trust.root_pins(self.name) is None:
            return plain
        found = root or kept_root.believed(self.trust, self.state)
        if found is None:
            raise MissingRootError(self.name, "no root of it was seen yet")
        return delegated(plain, found)

    def keyrings(self) -> list[Path]:
        """The keyrings for gpg: first the binrepo's own, then others, which only help to name a key that is not trusted here.

        gpg takes a key from the first keyring that has it. So the keyrings with keys fetched from the binhost come before the
        pinned ones, because there a key may have a later expiry date.
        """
        portage = self.settings.portage_home
        return [
            *self.passing,
            self.state.keyring_file,
            self.trust.keyring_file(self.name),
            *self.trust.other_keyrings(self.name),
            *(path for path in (portage / "pubring.kbx", portage / "pubring.gpg") if os.access(path, os.R_OK)),
        ]

    def mirrors(self, *of: str, retries: int | None = None) -> Mirrors:
        """The mirrors ``of`` the binrepo (none given: all), with the timeouts and retries from the settings."""
        fetch = self.settings.fetch
        return Mirrors(
            of or self.bases,
            self.transports,
            Patience(fetch.timeout, fetch.low_speed, fetch.low_speed_time),
            fetch.retries if retries is None else retries,
            report=self.warn_of,
            progress=self.progress,
        )

    def warn_of(self, error: TrustError) -> None:
        """Warn of a failure after which another mirror may still succeed."""
        self.warn(str(error))


def writable(state: StateDirectory) -> bool:
    """Whether this user may write the memory of the binrepo. `emerge -p` as an ordinary user may not."""
    directory = state.directory
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return os.access(directory, os.W_OK)


@contextlib.contextmanager
def locked(state: StateDirectory, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock on the memory of this binrepo. A user who cannot write it needs no lock.

    Raises LockError if another run holds the lock for too long. Then this fetch fails, and emerge continues as it does without
    an index.
    """
    if not writable(state):
        yield
        return
    state.make_directory()
    with locks.held(state.directory / f"{state.binrepo}.lock", limits.FETCH_LOCK, say):
        yield

"""A published tree: numbered releases that never change, and channels that point at them.

::

    TREE/
      production -> releases/7      a channel: switched by one rename
      staging -> releases/8
      root/                         where an offline root delegates to the keys that sign: all roots, and their keys
      pool/
        app-misc/foo/foo-1-NUMBER.gpkg.tar   each package once; NUMBER comes from its digest (pool/names)
      releases/
        7/                          index forms, Release, Release.asc, keys/; complete before it has this name
          app-misc -> ../../pool/app-misc    for each category, so that a client finds packages below the channel that it knows
          root -> ../../root        likewise
        8/
        .staging/                   a release in the making, or one that did not pass its gates
        .gone.6/                    a release that is being removed

Numbers increase over all channels and are the versions of the Releases. A release belongs to the channel that its Release
names, and the channel points at its newest release. A newer release than that never went live, because its publisher was killed
before the switch; the next publisher removes it. Only the holder of the lock changes anything.

Releases of the former form have their packages in them, as hard links. They stay as they are until retention removes them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from portage_ext import files, limits, locks
from portage_ext.errors.releases import TreeError, UnknownChannelError
from portage_ext.errors.trust import MalformedReleaseError
from portage_ext.model.release import PLAIN_FORM, POOL, Release
from portage_ext.releases import contents
from portage_ext.releases.contents import Contents
from portage_ext.releases.note import NOTE_NAME, Hold, Note, read_note
from portage_ext.trust import release as release_text
from portage_ext.trust.release import RELEASE_NAME
from portage_ext.trust.root import ROOT_DIRECTORY

if TYPE_CHECKING:
    from portage_ext.releases.pool.files import Pool

RELEASES: Final = "releases"
STAGING: Final = ".staging"
GONE: Final = ".gone."
LOCK: Final = ".lock"
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,15}")
_CHANNEL: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def checked_channel(name: str) -> str:
    """``name``, if it is a valid channel name (as in a Release). Raises TreeError."""
    if not _CHANNEL.fullmatch(name) or name in (RELEASES, ROOT_DIRECTORY, POOL):
        raise TreeError(name, "is not a channel name; use lower-case letters, digits, dots, dashes and underscores")
    return name


class Tree:
    """The tree at ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.releases = root / RELEASES
        self.staging = self.releases / STAGING
        self._read: dict[tuple[int, int, int, int], Release] = {}
        """What was read of a file that is unchanged: each Release is asked about several times in a run."""

    @cached_property
    def pool(self) -> Pool:
        """The packages of its releases."""
        from portage_ext.releases.pool.files import Pool  # here and below: only what makes or removes a release needs it

        return Pool(self.root)

    # --- looking

    def numbers(self) -> list[int]:
        """The numbers of the existing releases, in order."""
        try:
            return sorted(int(name) for name in os.listdir(self.releases) if _NUMBER.fullmatch(name))
        except FileNotFoundError:
            return []

    def directory(self, number: int) -> Path:
        return self.releases / str(number)

    def channels(self) -> dict[str, int]:
        """The channels by name, each with the number of the release that it points at."""
        found: dict[str, int] = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self.root) as entries:
            for entry in entries:
                if entry.is_symlink() and _CHANNEL.fullmatch(entry.name):
                    directory, _, number = os.readlink(entry.path).rpartition("/")
                    if directory == RELEASES and _NUMBER.fullmatch(number):
                        found[entry.name] = int(number)
        return dict(sorted(found.items()))

    def live(self, channel: str) -> int:
        """The number that ``channel`` points at. Raises UnknownChannelError."""
        channels = self.channels()
        if channel not in channels:
            raise UnknownChannelError(channel, tuple(channels))
        return channels[channel]

    def release(self, number: int) -> Release:
        """The Release of release ``number``. Raises TreeError."""
        path = self.directory(number) / RELEASE_NAME
        try:
            status = os.stat(path)
            as_it_is = status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
            if as_it_is not in self._read:
                self._read[as_it_is] = release_text.parse(path.read_bytes(), str(path))
            return self._read[as_it_is]
        except OSError as error:
            raise TreeError(str(path), f"cannot be read: {error.strerror}") from error
        except MalformedReleaseError as error:
            raise TreeError(str(path), str(error)) from error

    def known(self) -> dict[int, Release]:
        """Every readable release, by number. Other directories are not ours and are not changed."""
        found: dict[int, Release] = {}
        for number in self.numbers():
            with contextlib.suppress(TreeError):
                found[number] = self.release(number)
        return found

    def contents(self, number: int) -> Contents:
        """The index of release ``number``. Raises TreeError, InvalidIndexError."""
        path = self.directory(number) / PLAIN_FORM
        try:
            return contents.parse(path.read_bytes(), str(path))
        except OSError as error:
            raise TreeError(str(path), f"cannot be read: {error.strerror}") from error

    def note(self, number: int) -> Note:
        """Where release ``number`` came from and what it carries on. Raises TreeError."""
        return read_note(self.directory(number) / NOTE_NAME, number)

    def held(self, channel: str) -> Hold | None:
        """The hold of ``channel`` after a rollback; None if it is not held. Raises TreeError."""
        number = self.channels().get(channel)
        return None if number is None else self.note(number).hold

    # --- changing

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the tree against other publishers, and wait for them. Creates the tree if it is missing.

        Raises LockError, TreeError, also for an OSError inside the block.
        """
        with contextlib.ExitStack() as stack:
            try:
                files.make_directory(self.releases)
                stack.enter_context(locks.held(self.root / LOCK, limits.TREE_LOCK))
            except OSError as error:
                raise TreeError(str(self.root), f"cannot be written: {error.strerror}") from error
            try:
                yield
            except OSError as error:
                where = error.filename if isinstance(error.filename, str) else str(self.root)
                why = f"{error.strerror or error}. The channels are unchanged and complete; the next run continues here"
                raise TreeError(where, why) from error

    def recover(self) -> int:
        """Remove what a killed publisher left, and return the next free number. Under the lock. Raises OSError."""
        channels, known = self.channels(), self.known()
        following = max([0, *self.numbers(), *channels.values()]) + 1
        self.remove(*(number for number, release in known.items() if number > channels.get(release.channel, number)))
        self.discard_staging()
        for name in os.listdir(self.root):
            if name.startswith(files.TEMPORARY_PREFIX):
                (self.root / name).unlink()
        return following

    def commit(self, number: int) -> None:
        """Flush the release in ``.staging`` to disk and give it its name. Under the lock."""
        self.pool.added(self.staging)
        files.sync_filesystem(self.staging)
        os.rename(self.staging, self.directory(number))
        files.sync_directory(self.releases)

    def link_root(self, release: Path) -> None:
        """Link the roots of this tree, if it has any, from ``release``, where clients ask. Under the lock."""
        if (self.root / ROOT_DIRECTORY).is_dir() and not os.path.lexists(release / ROOT_DIRECTORY):
            os.symlink(f"../../{ROOT_DIRECTORY}", release / ROOT_DIRECTORY)

    def switch(self, channel: str, number: int) -> None:
        """Point ``channel`` at release ``number``: the moment in which clients see it. Under the lock."""
        files.replace_link(self.root / checked_channel(channel), f"{RELEASES}/{number}")

    def remove(self, *numbers: int) -> None:
        """Remove releases, then the packages that only they named. Under the lock.

        Each is renamed first, in one step, and loses its files last, so that a killed run leaves what the next one needs to
        know. Raises OSError, TreeError.
        """
        for number in numbers:
            os.rename(self.directory(number), self.releases / f"{GONE}{number}")
        self._clean([name for name in self._hidden() if name.startswith(GONE)])

    def discard_staging(self) -> None:
        """Remove an unfinished release, and the packages that only it named. Under the lock. Raises as :meth:`remove`."""
        self._clean([name for name in self._hidden() if name == STAGING])

    def _hidden(self) -> list[str]:
        return [name for name in os.listdir(self.releases) if name == STAGING or name.startswith(GONE)]

    def _clean(self, names: Sequence[str]) -> None:
        if not names:
            return
        from portage_ext.releases.pool.files import names_of

        # What a killed run wrote halfway names nothing that the journal or another release does not name.
        candidates = {name for one in names for name in names_of(self.releases / one, lenient=True)}
        self.pool.remove(self._unnamed(candidates, names))
        for name in names:
            shutil.rmtree(self.releases / name)

    def _unnamed(self, candidates: set[str], but: Collection[str]) -> set[str]:
        """Those of ``candidates`` that no release names, not counting those ``but``, which are being removed.

        None as long as it is not known what a release names.
        """
        from portage_ext.releases.pool.files import names_of

        for name in (*map(str, self.numbers()), *self._hidden()):
            if candidates and name not in but:
                try:
                    candidates -= names_of(self.releases / name)
                except TreeError:
                    return set()
        return candidates

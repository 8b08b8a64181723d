"""A mirror receives packages, then the release, then the channel, so that its clients see a whole release at every moment.

rsync transfers everything, to a path, over ssh or to an rsync daemon. A release is complete on the mirror when it has its
Release, which is sent last. No channel points at an incomplete release, and the next run continues it. Of the pool, a mirror
gets the files that its releases name. What retention removed here is removed there last, except for releases to which a channel
of the mirror still points: first releases, then files of the pool. Roots are sent first in every run, so that a revoked key is
known at once.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import files, limits
from portage_ext.errors.releases import MirrorPushError
from portage_ext.model.release import POOL
from portage_ext.releases import pages
from portage_ext.releases.note import BLOCKS_NAME, NOTE_NAME
from portage_ext.releases.pool.files import names_of
from portage_ext.releases.tree import RELEASES, Tree
from portage_ext.trust.release import RELEASE_NAME
from portage_ext.trust.root import ROOT_DIRECTORY
from portage_ext.words import counted

_LISTED: Final = re.compile(r"(?P<kind>[dl-])\S{9}\s+[\d,.]+\s+\S+\s+\S+\s+(?P<name>.+)")
_NUMBERED: Final = re.compile(r"[1-9][0-9]{0,15}")
_TOLD: Final = 400
_INDEX_FILES: Final = ("/Packages", "/Packages.gz", "/Packages.zst", "/Release.asc", f"/{NOTE_NAME}", f"/{BLOCKS_NAME}")


@dataclass(frozen=True, slots=True)
class There:
    """What a mirror has: its channels, and its releases by number, each with whether it is complete."""

    channels: Mapping[str, int]
    releases: Mapping[int, bool]


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a channel of the mirror is behind: numbers here and there (None: none), and seconds between their creation."""

    channel: str
    here: int
    there: int | None
    seconds: int

    def __str__(self) -> str:
        if self.here == self.there:
            return f"{self.channel}: release {self.here}, up to date"
        behind = "has none" if self.there is None else f"has release {self.there}, {self.seconds / 3600:.1f} h older"
        return f"{self.channel}: the mirror {behind}; release {self.here} is live here"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a run did: releases sent, channels switched, releases removed."""

    sent: tuple[int, ...]
    switched: tuple[str, ...]
    removed: tuple[int, ...]


class Mirror:
    """The mirror ``name`` of ``tree`` at ``to`` (a path, ``user@host:/path``, ``rsync://…``); ``channels`` empty: of all."""

    def __init__(
        self,
        name: str,
        to: str,
        tree: Tree,
        channels: Sequence[str] = (),
        options: Sequence[str] = (),
        *,
        command: Sequence[str] = ("rsync",),
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.name = name
        # A bare root keeps its colon: "host:/" is the directory that a forced command allows.
        self._to = to.rstrip("/")
        # rsync treats files of the same size and second as equal, and two releases may have such files, so compare times to the
        # nanosecond. Only on the other side, which compares: rrsync does not accept rsync's short form of the option.
        exact = "--modify-window=-1"
        self._copy = ("-rltp", exact if is_local(to) else f"--remote-option={exact}", f"--exclude=/{pages.STATE}")
        self._tree = tree
        self._channels = frozenset(channels)
        self._options = tuple(options)
        self._command = tuple(command)
        self._say = say

    def wanted(self) -> dict[str, int]:
        """The channels that this mirror should have."""
        return {name: number for name, number in self._tree.channels().items() if not self._channels or name in self._channels}

    def there(self) -> There:
        """Ask the mirror what it has. Raises MirrorPushError."""
        include = ("--include=/*", f"--include=/{RELEASES}/*", f"--include=/{RELEASES}/*/{RELEASE_NAME}", "--exclude=*")
        text = self._rsync("asking what it has", "-rl", "--list-only", *include, f"{self._to}/", missing=True)
        channels: dict[str, int] = {}
        releases: dict[int, bool] = {}
        for line in text.split("\n"):
            match = _LISTED.fullmatch(line.rstrip())
            if match is None:
                continue
            name, _, target = match["name"].partition(" -> ")
            parts = name.split("/")
            if match["kind"] == "l" and len(parts) == 1 and _NUMBERED.fullmatch(target.removeprefix(f"{RELEASES}/")):
                channels[name] = int(target.removeprefix(f"{RELEASES}/"))
            elif parts[0] == RELEASES and len(parts) > 1 and _NUMBERED.fullmatch(parts[1]):
                number = int(parts[1])
                releases[number] = releases.get(number, False) or parts[2:] == [RELEASE_NAME]
        return There(channels, releases)

    def lag(self, there: There | None = None) -> list[Lag]:
        """How far each channel is behind. Raises MirrorPushError, TreeError."""
        found = self.there() if there is None else there
        known = self._tree.known()
        result: list[Lag] = []
        for channel, here in self.wanted().items():
            number = found.channels.get(channel)
            # A release that was removed here is older than the oldest that is left.
            old = known.get(number or 0) or known[min(known)]
            result.append(Lag(channel, here, number, max(0, known[here].created - old.created)))
        return result

    def push(self) -> Pushed:
        """Bring the mirror up to date. Raises MirrorPushError; then the mirror still serves its previous release."""
        # The pool before and after the list of releases: what retention removes meanwhile, and what is published meanwhile, is
        # still named by a release of that list, and so possibly on the mirror.
        pool = set(self._tree.pool.every())
        there = self.there()
        channels, known = self.wanted(), self._tree.known()
        pool.update(self._tree.pool.every())
        # Clients of the mirror can only ask for releases to which a channel there has pointed.
        missing = [number for number in sorted(set(channels.values())) if not there.releases.get(number)]
        complete = {number for number, whole in there.releases.items() if whole}
        if not there.releases:
            self._make_directory()
        self._send_roots()
        for number in missing:
            self._send(number)
            complete.add(number)
        self._link_roots(complete & known.keys())
        switched = [channel for channel, number in channels.items() if there.channels.get(channel) != number]
        for channel in switched:
            self._switch(channel, channels[channel])
        kept = {*known, *channels.values(), *(n for c, n in there.channels.items() if c not in channels)}
        gone = sorted(number for number in there.releases if number not in kept)
        self._remove(gone)
        if gone and there.releases.keys() - set(gone) <= known.keys():
            # As long as it has a release that is not known here, it is not known which files that names.
            self._clean_pool(pool)
        return Pushed(tuple(missing), tuple(switched), tuple(gone))

    # --- the steps

    def _make_directory(self) -> None:
        with tempfile.TemporaryDirectory(prefix="portage-ext.mirror.") as name:
            (Path(name) / RELEASES).mkdir(mode=0o755)
            Path(name).chmod(0o755)
            self._rsync("making its directories", "-rp", f"{name}/", f"{self._to}/")

    def _send_roots(self) -> None:
        """Send keys and signatures before the roots that need them."""
        source, target = self._tree.root / ROOT_DIRECTORY, f"{self._to}/{ROOT_DIRECTORY}/"
        if not source.is_dir():
            return
        self._say("roots")
        hidden = f"--exclude={files.TEMPORARY_PREFIX}*"
        self._rsync(
            "signatures of roots", *self._copy, hidden, "--include=*/", "--include=*.asc", "--exclude=*", f"{source}/", target
        )
        self._rsync("roots", *self._copy, hidden, f"{source}/", target)

    def _link_roots(self, numbers: Iterable[int]) -> None:
        """Also link the roots from releases that were sent before the tree had a root."""
        linked = [one for one in sorted(numbers) if (self._tree.directory(one) / ROOT_DIRECTORY).is_symlink()]
        if not linked:
            return
        with tempfile.TemporaryDirectory(prefix="portage-ext.mirror.") as name:
            for number in linked:
                place = Path(name) / str(number)
                place.mkdir()
                (place / ROOT_DIRECTORY).symlink_to(f"../../{ROOT_DIRECTORY}")
            # Without -t and -p: the directories of the releases stay as they are.
            self._rsync("links to the roots", "-rl", f"{name}/", f"{self._to}/{RELEASES}/")

    def _send(self, number: int) -> None:
        directory = self._tree.directory(number)
        source, target = f"{directory}/", f"{self._to}/{RELEASES}/{number}/"
        self._say(f"release {number}: packages")
        names = sorted(name for name in names_of(directory) if self._tree.pool.has(name))
        if names:
            with tempfile.NamedTemporaryFile("w", prefix="portage-ext.mirror.") as listed:
                listed.write("\n".join(names) + "\n")
                listed.flush()
                place, wanted = f"{self._tree.pool.directory}/", f"--files-from={listed.name}"
                self._rsync(f"packages of release {number}", *self._copy, wanted, place, f"{self._to}/{POOL}/")
        exclude = [f"--exclude={name}" for name in (*_INDEX_FILES, f"/{RELEASE_NAME}")]
        self._rsync(f"files of release {number}", *self._copy, "--delay-updates", *exclude, source, target)
        self._say(f"release {number}: index and Release")
        self._rsync(f"index of release {number}", *self._copy, f"--exclude=/{RELEASE_NAME}", source, target)
        self._rsync(f"Release of release {number}", *self._copy, f"{source}{RELEASE_NAME}", f"{target}{RELEASE_NAME}")

    def _switch(self, channel: str, number: int) -> None:
        self._say(f"{channel}: release {number}")
        with tempfile.TemporaryDirectory(prefix="portage-ext.mirror.") as name:
            # A new link: the channel here may already point at a release that the mirror does not have yet.
            link = Path(name) / channel
            link.symlink_to(f"{RELEASES}/{number}")
            # Into the directory and not onto the name: rsync would follow an existing link to a directory.
            self._rsync(f"switching {channel}", "-l", str(link), f"{self._to}/")

    def _remove(self, numbers: Sequence[int]) -> None:
        if not numbers:
            return
        self._say(f"removing {', '.join(map(str, numbers))}")
        target, step = f"{self._to}/{RELEASES}/", "removing what retention removed"
        with tempfile.TemporaryDirectory(prefix="portage-ext.mirror.") as empty:
            whole = [f"--include=/{number}/***" for number in numbers]
            for number in numbers:
                (Path(empty) / str(number)).mkdir()
            # The Release first, so that a half-removed release counts as incomplete.
            first = [f"--include=/{number}/{name}" for number in numbers for name in ("", RELEASE_NAME)]
            self._rsync(step, "-r", "--delete", *first, "--exclude=*", f"{empty}/", target)
            for number in numbers:
                (Path(empty) / str(number)).rmdir()
            self._rsync(step, "-r", "--delete", *whole, "--exclude=*", f"{empty}/", target)

    def _clean_pool(self, kept: Set[str]) -> None:
        """Remove the files of the mirror's pool that are not ``kept``."""
        text = self._rsync("asking what its pool has", "-r", "--list-only", f"{self._to}/{POOL}/", missing=True)
        lines = (_LISTED.fullmatch(line.rstrip()) for line in text.split("\n"))
        there = {match["name"] for match in lines if match is not None and match["kind"] == "-"}
        gone = there - kept
        if not gone:
            return
        self._say(f"removing {counted(len(gone))}")
        with tempfile.TemporaryDirectory(prefix="portage-ext.mirror.") as empty:
            for directory in {name.rpartition("/")[0] for name in there & kept}:
                (Path(empty) / directory).mkdir(parents=True, exist_ok=True)
            above = {f"/{parent}/" for name in gone for parent in Path(name).parents if parent.name}
            with tempfile.NamedTemporaryFile("w", prefix="portage-ext.mirror.") as listed:
                listed.write("".join(f"+ {name}\n" for name in sorted(above | {f"/{name}" for name in gone})) + "- *\n")
                listed.flush()
                words = ("-r", "--delete", f"--filter=merge {listed.name}")
                self._rsync("removing packages that no release has", *words, f"{empty}/", f"{self._to}/{POOL}/")

    def _rsync(self, step: str, *words: str, missing: bool = False) -> str:
        """Run rsync and return its output; with ``missing`` a missing directory counts as empty."""
        try:
            done = subprocess.run(
                [*self._command, *self._options, *words],
                env={**os.environ, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=limits.RSYNC_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise MirrorPushError(self.name, step, f"{self._command[0]} is not installed") from None
        except subprocess.TimeoutExpired:
            raise MirrorPushError(self.name, step, f"not done within {limits.RSYNC_SECONDS:g} s") from None
        said = done.stderr.decode("utf-8", "replace")
        if done.returncode and not (missing and done.returncode == 23 and "No such file or directory" in said):
            raise MirrorPushError(self.name, step, " ".join(said.split())[-_TOLD:] or f"rsync ended with {done.returncode}")
        return done.stdout.decode("utf-8", "surrogateescape")


def is_local(to: str) -> bool:
    """Whether rsync treats ``to`` as a path on this machine."""
    return ":" not in to.partition("/")[0]

"""The releases of a tree, and what changes for clients from one release to another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from portage_ext.errors.releases import UnknownNumberError
from portage_ext.model.release import Release
from portage_ext.releases.contents import Difference, difference
from portage_ext.releases.deltas import offered
from portage_ext.releases.made import Offered
from portage_ext.releases.note import Note
from portage_ext.releases.tree import Tree


@dataclass(frozen=True, slots=True)
class Listed:
    """A release with its note; ``live``: its channel points at it; ``expired``: clients now refuse it."""

    number: int
    release: Release
    note: Note
    packages: int
    live: bool
    expired: bool
    deltas: Offered | None


def listed(tree: Tree, channel: str | None = None) -> Iterator[Listed]:
    """The releases of ``channel`` (None: of all), in order. Raises TreeError, InvalidIndexError."""
    channels, now = tree.channels(), int(time.time())
    for number, release in tree.known().items():
        if channel in (None, release.channel):
            live = channels.get(release.channel) == number
            packages, offers = len(tree.contents(number).entries), offered(tree.directory(number))
            yield Listed(number, release, tree.note(number), packages, live, live and release.expires <= now, offers)


@dataclass(frozen=True, slots=True)
class Compared:
    """Two releases by number, and what clients see change from the first to the second."""

    before: int
    after: int
    change: Difference


def compared(tree: Tree, before: str, after: str) -> Compared:
    """``before`` and ``after``, each a number or a channel. Raises UnknownNumberError, UnknownChannelError, TreeError."""
    first, second = number_of(tree, before), number_of(tree, after)
    return Compared(first, second, difference(tree.contents(first), tree.contents(second)))


def number_of(tree: Tree, word: str) -> int:
    if not word.isdigit():
        return tree.live(word)
    number, known = int(word), tree.numbers()
    if number not in known:
        raise UnknownNumberError(word, str(tree.root), tuple(known))
    return number

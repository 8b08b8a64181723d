"""The values of the publisher: what a release is made from, under which terms, and what a run did."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from portage_ext.errors import InvalidCpvError, InvalidEntryError
from portage_ext.errors.releases import Finding
from portage_ext.model import IndexEntry
from portage_ext.model.release import Release
from portage_ext.records import field, record
from portage_ext.releases.contents import Contents, Difference
from portage_ext.releases.linking import Placed
from portage_ext.releases.note import Hold, Note, Waiting
from portage_ext.words import counted, size

At = Callable[[str], Path]
"""Where the file of a path in an index is."""


@record
class First:
    """The names of the packages that clients get first, as patterns, and how long the others then wait, in seconds."""

    toolchain: tuple[str, ...]
    wait: int

    def names(self, entry: IndexEntry) -> bool:
        """Whether ``entry`` is one of these packages."""
        try:
            name = entry.cpv.cp
        except (InvalidCpvError, InvalidEntryError):
            return False
        return any(fnmatchcase(name, pattern) for pattern in self.toolchain)


@record
class Terms:
    """Validity of a Release and grace time of clients in seconds, keys valid next (None: as before)."""

    validity: int
    grace: int
    keys_next: tuple[str, ...] | None = None
    first: First | None = None
    """What clients get before the rest (releases/first); None: everything is published at once."""


@record(eq=False)
class Source:
    """Where content comes from: a directory with an index, and the lock to hold while it is read."""

    directory: Path
    origin: str
    content: int | None = None
    """The release that it comes from; None for a PKGDIR, whose content is new."""
    hold: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
    """Of a PKGDIR, it also brings the index up to date first. What follows is known while it is held."""
    builder: bytes = b""
    """Its builder.json, if one is to be published."""
    attached: Callable[[Contents, At], Mapping[str, bytes]] = lambda new, at: {}
    """Its documents (model/release) by name, for the index that is published, and where its files are."""
    left_out: Callable[[], Mapping[str, str]] = dict
    """The packages of the PKGDIR that are not in its index, by path, with the reasons."""
    holds: Hold | None = None
    """What holds the channel while this is live."""
    kept: Note | None = None
    """The note of a release that is published again as it is: nothing of it waits for longer than it already does."""
    sizes: Callable[[], Sequence[int]] = tuple
    """The bytes of each block of the index of a PKGDIR; empty if they are not known."""
    release: Release | None = None
    """The Release that it comes from. Its index, builder.json and ``documents`` must be what that Release says."""
    documents: Mapping[str, bytes] = field(default_factory=dict)


@record
class Offered:
    """The deltas of a release: how many, the bytes of their files, and the bytes that a client saves who uses them all."""

    count: int
    size: int
    saved: int

    def __str__(self) -> str:
        return f"{counted(self.count, 'delta')} of {size(self.size)}, to save clients {size(self.saved)}"


@record
class Published:
    """What a run did. If nothing differs, ``release`` is None, ``number`` is the live release, and all counts are 0.

    ``beside`` names the changes other than packages; ``held`` says that the channel is held and was not switched; ``warnings``
    is what gates found that stops no release; ``waiting`` are the packages that are not published yet; ``deltas`` is what the
    release offers, if deltas are made here.
    """

    number: int
    release: Release | None
    difference: Difference
    packages: int
    carried: int
    placed: Placed
    beside: tuple[str, ...] = ()
    held: Hold | None = None
    warnings: tuple[Finding, ...] = ()
    waiting: Waiting | None = None
    deltas: Offered | None = None


@record(eq=False)
class Snapshot:
    """What a release will be made of: its index, and its files, which are in the pool."""

    contents: Contents
    sources: Mapping[str, str]
    """The path of each package in the source, by its path in the release."""
    builder: bytes
    before: Contents
    fresh: tuple[str, ...]
    unseen: tuple[str, ...] | None
    """All other packages have files in the pool that were found to be as their entries say. None: nobody looked."""
    carried: Mapping[str, int]
    placed: Placed
    beside: tuple[str, ...]
    attached: Mapping[str, bytes]
    arrived: Mapping[str, int]
    waiting: Waiting | None
    digests: tuple[bytes, ...]
    """The digest in the source of each block of the index, if both have the same blocks."""


@record
class Same:
    """Clients would see no difference to the live release."""

    waiting: Waiting | None


@record(eq=False)
class Staged:
    """A release in the making, before it is signed: ``before`` is what the channel serves, from ``live`` (None: nothing yet).

    Times in seconds since 1970: the Release will expire at ``expires`` or, if the gates take time, a little later.
    """

    directory: Path
    channel: str
    number: int
    repository: str
    origin: str
    created: int
    expires: int
    before: Contents
    contents: Contents
    live: Path | None
    channels: Mapping[str, int]
    left_out: int


class Deltas(Protocol):
    """Writes the deltas of a staged release, and returns the value of the index header that binds them; empty without any.

    ``offered`` is what the release in a directory offers; None if nothing.
    """

    def write(self, staged: Staged) -> str: ...

    def offered(self, directory: Path) -> Offered | None: ...


class Pages(Protocol):
    """Writes files for people into a staged release, and returns the value of the index header PAGES that binds them.

    The publisher only calls it; portage_ext/pages writes. Raises OSError.
    """

    def write(self, staged: Staged) -> str: ...

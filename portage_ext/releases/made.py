"""The values of the publisher: what a release is made from, under which terms, and what a run did."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from portage_ext.errors.releases import Finding
from portage_ext.model.release import Release
from portage_ext.releases.contents import Contents, Difference
from portage_ext.releases.linking import Placed
from portage_ext.releases.note import Hold


@dataclass(frozen=True, slots=True)
class Terms:
    """Validity of a Release and grace time of clients in seconds, keys valid next (None: as before)."""

    validity: int
    grace: int
    keys_next: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where content comes from: a directory with an index, the lock to hold while it is read, and how to refresh it first."""

    directory: Path
    origin: str
    content: int | None = None
    """The release that it comes from; None for a PKGDIR, whose content is new."""
    hold: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
    refresh: Callable[[], None] = lambda: None
    builder: bytes = b""
    """Its builder.json, if one is to be published."""
    attached: Callable[[Contents], Mapping[str, bytes]] = lambda new: {}
    """After ``refresh``: its documents (model/release) by name, for the index that is published."""
    left_out: Callable[[], Mapping[str, str]] = dict
    """After ``refresh``: the packages of the PKGDIR that are not in its index, by path, with the reasons."""
    holds: Hold | None = None
    """What holds the channel while this is live."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a run did. If nothing differs, ``release`` is None, ``number`` is the live release, and all counts are 0.

    ``beside`` names the changes other than packages; ``held`` says that the channel is held and was not switched; ``warnings``
    is what gates found that stops no release.
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


@dataclass(frozen=True, slots=True, eq=False)
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


class Pages(Protocol):
    """Writes files for people into a staged release, and returns the value of the index header PAGES that binds them.

    The publisher only calls it; portage_ext/pages writes. Raises OSError.
    """

    def write(self, staged: Staged) -> str: ...

"""The releases that this host publishes and follows, its pinned keys and its last runs. Needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from portage_ext.errors import SettingsError, UnknownPortageError
from portage_ext.host.here import binrepos, here
from portage_ext.model.release import Release
from portage_ext.model.root import Root
from portage_ext.releases.note import Note
from portage_ext.releases.tree import Tree
from portage_ext.tasks.site import Site
from portage_ext.trust import kept_root
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.machine import Seen, trusted_keys
from portage_ext.trust.memory import StateDirectory, checked_name
from portage_ext.unattended import log
from portage_ext.unattended.log import Run

_RUNS = 10


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel that this host publishes, and the release that it points at."""

    tree: Path
    name: str
    number: int
    release: Release
    packages: int
    note: Note


@dataclass(frozen=True, slots=True)
class Followed:
    """A binrepo: its URL (empty: it is not in binrepos.conf), its pinned and trusted keys, and its recorded state.

    ``expires`` is the expiry of the last known Release (seconds since 1970), 0 if there is none.
    """

    name: str
    uri: str
    pinned: Sequence[str]
    trusted: Sequence[str]
    seen: Seen | None
    root: Root | None
    expires: int


@dataclass(frozen=True, slots=True)
class Status:
    """``trouble`` says why binrepos.conf cannot be read; empty if it can."""

    channels: Sequence[Channel]
    followed: Sequence[Followed]
    runs: Sequence[Run]
    trouble: str = ""


def status() -> Status:
    """The status of this host. Raises SettingsError, TreeError, DamagedStateError, OSError."""
    host = here()
    site = Site.read(host.config_root, host.eroot)
    found, trouble = followed(site)
    return Status(_channels(site), found, log.read(site.config_root)[-_RUNS:], trouble)


def followed(site: Site) -> tuple[list[Followed], str]:
    """The binrepos that ``site`` follows, and why binrepos.conf cannot be read (empty if it can)."""
    named, trouble = _named()
    return _followed(site, named), trouble


def _named() -> tuple[dict[str, str], str]:
    """Name and sync-uri of each binrepo, and why binrepos.conf cannot be read."""
    try:
        return {one.name: one.sync_uri for one in binrepos() if one.name}, ""
    except (SettingsError, UnknownPortageError) as error:
        return {}, str(error)


def _channels(site: Site) -> list[Channel]:
    settings = site.settings.publishing
    trees = [one.tree for one in ([settings.own] if settings.own else []) + list(settings.repositories.values())]
    return [
        Channel(tree.root, name, number, tree.release(number), len(tree.contents(number).entries), tree.note(number))
        for tree in map(Tree, trees)
        for name, number in tree.channels().items()
    ]


def _followed(site: Site, named: Mapping[str, str]) -> list[Followed]:
    directory, found = TrustDirectory(site.config_root), list[Followed]()
    for name in sorted({*named, *directory.binrepos()}):
        state = StateDirectory(site.eroot, checked_name(name))
        memory = state.load()
        seen, pins = memory.seen, directory.pins(name)
        rooted, root = directory.root_pins(name), kept_root.believed(directory, state)
        pinned = sorted(rooted.keys if rooted else pins)
        trusted = (root.release_keys if root else ()) if rooted else trusted_keys(pins, seen)
        found.append(Followed(name, named.get(name, ""), pinned, sorted(trusted), seen, root, memory.expires or 0))
    return found

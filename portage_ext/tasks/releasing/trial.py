"""What a release brings is installed in a scratch root, with all that it needs from the release, as a client would do it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from portage_ext.errors.releases import Finding
from portage_ext.host.scratch import masked_here, merge_together
from portage_ext.index.forms import PLAIN
from portage_ext.model import IndexEntry
from portage_ext.releases.contents import difference
from portage_ext.releases.tree import Tree
from portage_ext.tasks.site import Site


@dataclass(frozen=True, slots=True)
class Tried:
    """Release ``number`` of ``channel``, and the release in which its ``content`` appeared first. ``tried`` of the ``changed``
    packages were installed; ``findings`` are those that could not be."""

    channel: str
    number: int
    content: int
    changed: int
    tried: int
    findings: tuple[Finding, ...]


def trial(
    site: Site,
    channel: str,
    *,
    against: str | None = None,
    most: int = 50,
    repository: str | None = None,
    tree: Path | None = None,
) -> Tried:
    """Install at most ``most`` of the packages that ``channel`` has and the channel ``against`` has not (None: all count).

    Raises UnknownChannelError, TreeError, GateUnavailableError, RequestError, OSError.
    """
    place = site.tree(repository, tree)
    number = place.live(channel)
    contents = place.contents(number)
    changed = _changed(place, number, against)
    wanted = _one_of_each_slot([one for one in changed if not masked_here(one)])[:most]
    findings: tuple[Finding, ...] = ()
    if wanted:
        entries = [contents.entry(path) for path in contents.entries]
        directory = place.directory(number)
        failed = merge_together(
            directory, (directory / PLAIN).read_bytes(), entries, wanted, site.settings.publishing.of(channel).provided
        )
        findings = tuple(Finding("trial", where, what) for where, what in failed)
    return Tried(channel, number, place.note(number).content, len(changed), len(wanted), findings)


def _changed(place: Tree, number: int, against: str | None) -> list[IndexEntry]:
    contents = place.contents(number)
    before = None if against is None else place.channels().get(against)
    if before is None:
        return [contents.entry(path) for path in contents.entries]
    found = difference(place.contents(before), contents)
    return [*found.added, *(one.after for one in found.rebuilt if not one.other_metadata())]


def _one_of_each_slot(entries: list[IndexEntry]) -> list[IndexEntry]:
    """The last of each name and slot, in order: two versions of one slot cannot be installed together."""
    found = {(entry.cpv.cp, entry.slot.partition("/")[0]): entry for entry in entries}
    return list(found.values())

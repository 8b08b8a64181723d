"""Which release of staging may go to production now: the newest that passed its trial and has waited long enough.

Nothing newer than what staging serves is taken, so that a release that was rolled back in staging never goes further. Nothing
is taken while a rollback holds one of the two channels. Whether the release is whole is for the gates at the promotion.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from portage_ext.config.updating import AFTER_HOURS, BY_HAND, Updating
from portage_ext.releases.note import UNTIL
from portage_ext.releases.tree import Tree
from portage_ext.words import minute


@dataclass(frozen=True, slots=True)
class Choice:
    """The release to promote (None: none), and why not, or why none newer than that. ``why`` is empty if nothing waits."""

    number: int | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Waiting:
    number: int
    content: int
    since: int


def choose(tree: Tree, settings: Updating, passed: Collection[int], now: int) -> Choice:
    """What the rule of ``settings`` says of ``tree``; ``passed`` are contents that passed their trial. Raises TreeError."""
    channels = tree.channels()
    if settings.staging not in channels:
        return Choice(None)
    live = channels[settings.staging]
    waiting = _waiting(tree, settings.staging, live, _content(tree, channels.get(settings.production)))
    if not waiting:
        return Choice(None)
    newest = waiting[-1]
    for channel in (settings.production, settings.staging):
        held = tree.held(channel)
        if held is not None:
            return Choice(None, f"{channel} is {held}, {UNTIL}")
    if settings.promote == BY_HAND:
        return Choice(
            None, f"release {newest.number} waits for you: portage-ext promote {settings.staging} {settings.production}"
        )
    why = ""
    for one in reversed(waiting):
        if settings.trial and one.content not in passed:
            why = why or f"release {one.number} has not passed a trial installation"
        elif settings.promote == AFTER_HOURS and one.since + settings.wait > now:
            why = why or f"release {one.number} waits until {minute(one.since + settings.wait)}"
        else:
            return Choice(one.number, why)
    return Choice(None, why)


def _content(tree: Tree, number: int | None) -> int:
    return 0 if number is None else tree.note(number).content


def _waiting(tree: Tree, staging: str, live: int, served: int) -> list[_Waiting]:
    """The contents of staging that production (with the content ``served``) does not have yet, oldest first."""
    limit = tree.note(live).content
    found: dict[int, _Waiting] = {}
    for number, release in sorted(tree.known().items()):
        content = tree.note(number).content
        if release.channel == staging and number <= live and served < content <= limit:
            since = found[content].since if content in found else release.created
            found[content] = _Waiting(number, content, since)
    return [found[content] for content in sorted(found)]

"""The newest release of staging that passed its trial and has waited long enough may be promoted to production.

A release newer than the one that staging serves is never promoted, so a release that was rolled back in staging goes no
further. Nothing is promoted while a rollback holds one of the two channels. The gates check at the promotion whether the
release is complete.
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
    """The release to promote (None: none). ``why`` says why nothing, or nothing newer, is promoted; empty if nothing waits."""

    number: int | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Waiting:
    number: int
    content: int
    since: int


def choose(tree: Tree, settings: Updating, passed: Collection[int], now: int) -> Choice:
    """Apply the rule in ``settings`` to ``tree`` at the time ``now`` (seconds since 1970). Raises TreeError.

    ``passed`` are the contents that passed their trial.
    """
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
            None, f"release {newest.number} waits until you run portage-ext promote {settings.staging} {settings.production}"
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
    return 0 if number is None else tree.note(number).complete


def _waiting(tree: Tree, staging: str, live: int, served: int) -> list[_Waiting]:
    """The contents of staging that production, which serves ``served``, does not have yet; the oldest comes first."""
    limit = tree.note(live).content
    found: dict[int, _Waiting] = {}
    for number, release in sorted(tree.known().items()):
        content = tree.note(number).content
        if release.channel == staging and number <= live and served < content <= limit:
            since = found[content].since if content in found else release.created
            found[content] = _Waiting(number, content, since)
    return [found[content] for content in sorted(found)]

"""Which release of a channel is meant: one by its number, the live one, or the content before it."""

from __future__ import annotations

from portage_ext.errors.releases import UnknownNumberError
from portage_ext.releases.tree import Tree


def of(tree: Tree, channel: str, number: int | None) -> int:
    """Release ``number`` of ``channel``, by default the live one. Raises UnknownChannelError, UnknownNumberError."""
    live = tree.live(channel)
    known = _until_now(tree, channel, live)
    if number is not None and number not in known:
        raise UnknownNumberError(str(number), channel, known)
    return live if number is None else number


def earlier(tree: Tree, channel: str, number: int | None) -> int:
    """Release ``number`` of ``channel``, by default the one with the content before the live one. Raises as :func:`of`."""
    if number is not None:
        return of(tree, channel, number)
    live = tree.live(channel)
    known = _until_now(tree, channel, live)
    # Two rollbacks go back by two contents: content that was rolled back is skipped.
    now = tree.note(live).content if live in known else live
    found = 0, 0
    for one in sorted(known, reverse=True):
        # Content is not newer than its release, so no older release has newer content than this.
        if one < found[0]:
            break
        content = tree.note(one).content
        if content < now:
            found = max(found, (content, one))
    if not found[1]:
        raise UnknownNumberError("before the present one", channel, known)
    return found[1]


def _until_now(tree: Tree, channel: str, live: int) -> tuple[int, ...]:
    return tuple(one for one, release in tree.known().items() if release.channel == channel and one <= live)

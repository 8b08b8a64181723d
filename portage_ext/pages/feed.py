"""The Atom feed of a channel (RFC 4287): one entry for each of its last releases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from portage_ext import words
from portage_ext.limits import views as limits
from portage_ext.pages.history import Record, told
from portage_ext.pages.markup import text

NAME: Final = "feed.atom"


def feed(title: str, repository: str, channel: str, base: str, history: Sequence[Record]) -> bytes:
    """The feed. ``base`` is the URL of the pages with a slash at its end; if it is empty, links are relative to the feed."""
    entries = "".join(_entry(one, repository, channel, base) for one in reversed(history[-limits.PAGES_FEED :]))
    updated = _stamp(history[-1].created if history else 0)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"<title>{text(title)}: {text(channel)}</title><id>urn:portage-ext:{text(repository)}:{text(channel)}</id>"
        f"<updated>{updated}</updated><author><name>{text(title)}</name></author>"
        f'<link rel="self" href="{text(base)}{NAME}"/><link href="{text(base)}index.html"/>\n{entries}</feed>\n'
    ).encode()


def _entry(one: Record, repository: str, channel: str, base: str) -> str:
    summary = f"{words.counted(one.packages)}, {words.size(one.size)}. Compared with the release before: {told(one)}."
    return (
        f"<entry><title>Release {one.number}: {text(told(one))}</title>"
        f"<id>urn:portage-ext:{text(repository)}:{text(channel)}:{one.number}</id><updated>{_stamp(one.created)}</updated>"
        f'<link href="{text(base)}releases/{one.number}.html"/><summary>{text(summary)}</summary></entry>\n'
    )


def _stamp(seconds: int) -> str:
    return words.second(seconds).replace(" UTC", "Z").replace(" ", "T")

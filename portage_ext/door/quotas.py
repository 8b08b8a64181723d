"""A pure function decides whether a client may request more. A refusal names its current use and its limit."""

from __future__ import annotations

from dataclasses import dataclass

from portage_ext import words
from portage_ext.config.asking import Client


@dataclass(frozen=True, slots=True)
class Usage:
    """The current use of a client: packages not built yet, and the seconds of builds and bytes of packages in one day."""

    queued: int = 0
    seconds: float = 0.0
    size: int = 0


def refusal(client: Client, usage: Usage, more: int) -> str:
    """Why ``client`` may not request ``more`` packages that nobody has requested yet; empty if it may."""
    if more and usage.queued + more > client.queued:
        return (
            f"client {client.name} has {words.counted(usage.queued)} that are not built yet, asks for {more} more, and may "
            f"have {client.queued} (queued in [client.{client.name}])"
        )
    if more and usage.seconds >= client.seconds:
        return (
            f"builds for client {client.name} took {words.spell(usage.seconds)} within a day, and may take "
            f"{words.spell(client.seconds)} (build-hours-a-day in [client.{client.name}])"
        )
    if more and usage.size >= client.size:
        return (
            f"packages of {words.size(usage.size)} were built for client {client.name} within a day, and "
            f"{words.size(client.size)} may be (mib-a-day in [client.{client.name}])"
        )
    return ""

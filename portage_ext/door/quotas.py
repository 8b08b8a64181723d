"""Whether a client may ask for more, as a function of values. What it may not is said with what it has and what it may have."""

from __future__ import annotations

from dataclasses import dataclass

from portage_ext import words
from portage_ext.config.asking import Client


@dataclass(frozen=True, slots=True)
class Usage:
    """What a client has: packages that are not built yet, seconds of builds and bytes of packages within a day."""

    queued: int = 0
    seconds: float = 0.0
    size: int = 0


def refusal(client: Client, usage: Usage, more: int) -> str:
    """Why ``client`` may not ask for ``more`` packages that nobody has asked for yet; empty if it may."""
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

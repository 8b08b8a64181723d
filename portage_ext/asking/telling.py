"""The states of requests are put into words for a person who waits. Functions return text and print nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from portage_ext import words
from portage_ext.asking.protocol import Standing

_NAMED: Final = 6


def summary(found: Sequence[Standing]) -> str:
    """One line on a batch of requests: how many are available, will be built, and will not be built, with the reasons."""
    there = sum(one.state == "published" for one in found)
    open_ones = [one for one in found if not one.has_ended]
    parts = [f"{there} {'is' if there == 1 else 'are'} there already"] if there else []
    if open_ones:
        parts.append(f"{len(open_ones)} will be built{_estimate(open_ones)}")
    return "; ".join([*parts, *in_vain(found)]) or "nothing was asked for"


def progress(found: Sequence[Standing]) -> str:
    """One line on the progress of a batch."""
    done = sum(one.has_ended for one in found)
    running = [_running(one) for one in found if one.state in ("running", "checked")]
    queued = [one for one in found if one.state == "queued"]
    parts = [f"{done} of {len(found)} done", *running[:_NAMED]]
    if queued:
        ahead = min(one.ahead for one in queued)
        before = f", {words.counted(ahead, 'job')} ahead" if ahead else ""
        parts.append(f"{len(queued)} in the queue{before}")
    parts += [f"{one.cpv}: {one.reason}" for one in found if one.state == "accepted"][:1]
    return "; ".join(parts) + _estimate([one for one in found if not one.has_ended and one.state != "checked"])


def changes(before: Sequence[Standing], now: Sequence[Standing]) -> Iterator[str]:
    """Yield a line for each package whose state has changed."""
    states = {one.cpv: one.state for one in before}
    for one in now:
        if states.get(one.cpv) == one.state:
            continue
        if one.state == "published":
            yield f"{one.cpv} is built and published" if before else f"{one.cpv} is there"
        elif one.state == "running":
            yield f"{one.cpv} is being built{_estimate([one])}"
        elif one.has_ended:
            yield _not_built(one)
        elif one.state == "queued":
            place = f", {words.counted(one.ahead, 'job')} ahead" if one.ahead else ""
            yield f"{one.cpv} is in the queue{place}{_estimate([one])}"


def about(one: Standing) -> str:
    """Details of one package beside its state."""
    if one.state in ("running", "checked"):
        return _running(one)
    place = f"{words.counted(one.ahead, 'job')} ahead" if one.ahead else ""
    return one.file or one.reason or place


def in_vain(found: Sequence[Standing]) -> list[str]:
    """The reasons why packages are not built, one text for each package."""
    return [_not_built(one) for one in found if one.has_ended and one.state != "published"]


def _not_built(one: Standing) -> str:
    state = "has failed" if one.state == "failed" else f"is {one.state}"
    return f"{one.cpv} {state}: {one.reason or 'the service does not say why'}"


def _running(one: Standing) -> str:
    if one.state == "checked":
        return f"{one.cpv} is built and about to be published"
    runs = f" for {words.spell(one.runs)}" if one.runs is not None else ""
    usual = f", usually {words.spell(one.seconds)}" if one.seconds is not None else ""
    return f"{one.cpv} is being built{runs}{usual}"


def _estimate(found: Sequence[Standing]) -> str:
    """The estimated time for all of them one after the other, as far as past builds are known."""
    known = [max(0.0, one.seconds - (one.runs or 0)) for one in found if one.seconds is not None]
    if not known:
        return ""
    return f" (about {words.spell(sum(known))}{'' if len(known) == len(found) else ' or more'})"

"""The report of an update lists what was installed or built, what failed (with the end of its log), and what was held back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from portage_ext.folding import fold
from portage_ext.unattended.updated import Failure, Updated
from portage_ext.updates.engine import Step
from portage_ext.updates.journal import Journal
from portage_ext.updates.result import Failed, Held, Outcome, Result
from portage_ext.words import counted, minute, spell

_LISTED: Final = 40
"""The maximum number of packages that are named in the text."""
_MARKS: Final = {Outcome.PARTLY: "NOT OK: ", Outcome.FAILED: "FAILED: "}


@dataclass(frozen=True, slots=True)
class Report:
    """A run that ended. ``complete`` is True if every step was done. ``saved`` is how long building took here, in seconds."""

    role: str
    begun: int
    interrupted: str
    complete: bool
    steps: tuple[tuple[str, Result], ...]
    came: tuple[str, ...]
    failed: tuple[Failed, ...]
    held: tuple[Held, ...]
    saved: float

    @property
    def ok(self) -> bool:
        """Whether every step was done and nothing failed, so that nobody needs to act."""
        return self.complete and all(result.outcome in (Outcome.DONE, Outcome.NOTHING) for _, result in self.steps)

    @property
    def seconds(self) -> float:
        return sum(result.seconds for _, result in self.steps)

    def line(self) -> str:
        """The run in one line."""
        parts = [
            counted(len(self.came)) + (" for clients" if self.role == "binhost" else " merged"),
            *([f"{len(self.failed)} failed"] if self.failed else []),
            *([f"{len(self.held)} held back"] if self.held else []),
        ]
        if not self.complete:
            name, result = self.steps[-1]
            parts.insert(0, f"stopped at {name}: {result.line}")
        return "; ".join(parts)

    def values(self) -> dict[str, Any]:
        """The values for ``--json`` according to docs/schemas/update.json."""
        steps = [
            {
                "name": name,
                "outcome": str(one.outcome),
                "line": one.line,
                "told": list(one.told),
                "seconds": round(one.seconds, 3),
            }
            for name, one in self.steps
        ]
        return {
            "role": self.role,
            "begun": self.begun,
            "seconds": round(self.seconds, 3),
            "ok": self.ok,
            "complete": self.complete,
            "interrupted": self.interrupted or None,
            "steps": steps,
            "came": list(self.came),
            "failed": [{**asdict(one), "lines": list(one.lines)} for one in self.failed],
            "held": [asdict(one) for one in self.held],
            "saved": round(self.saved, 1),
        }

    def text(self) -> Iterator[str]:
        """The report for people, line by line."""
        yield f"update of {minute(self.begun)} ({self.role}, {spell(self.seconds)}): {'ok' if self.ok else 'NOT OK'}"
        if self.interrupted:
            yield f"went on with the step {self.interrupted}, where the run before had stopped"
        for name, result in self.steps:
            yield f"  {name}: {_MARKS.get(result.outcome, '')}{result.line}"
            yield from (f"    {line}" for line in result.told)
        if self.came:
            yield f"{'new for clients' if self.role == 'binhost' else 'merged'}: {counted(len(self.came))}"
            yield from (f"  {one}" for one in self.came[:_LISTED])
            if len(self.came) > _LISTED:
                yield f"  and {len(self.came) - _LISTED} more"
        for one in self.failed:
            yield f"failed: {one.what}: {one.why}{f' (log: {one.log})' if one.log else ''}"
            yield from (f"    {line}" for line in one.lines)
        yield from (f"held back: {one}" for one in fold((held.what, held.why) for held in self.held))
        if self.role == "binhost" and self.saved >= 1 and self.came:
            yield f"building took {spell(self.saved)} here; every client that takes these packages saves that time"
        if not self.complete:
            yield "the next run goes on with the step that failed: portage-ext update"


def made(journal: Journal, steps: Sequence[Step]) -> Report:
    """Make the report of the run in ``journal``; ``steps`` are all steps that it should have done."""
    found = tuple((step.name, journal.results[step.name]) for step in steps if step.name in journal.results)
    results = dict(found)
    by = results.get("promote") or results.get("publish") if journal.role == "binhost" else None
    merged = tuple(cpv for _, result in found for cpv in result.came)
    came = by.came if by is not None else merged
    emerged = results.get("emerge")
    return Report(
        role=journal.role,
        begun=journal.begun,
        interrupted=journal.interrupted,
        complete=len(found) == len(steps) and all(result.outcome is not Outcome.FAILED for _, result in found),
        steps=found,
        came=came,
        failed=tuple(one for _, result in found for one in result.failed),
        held=tuple(one for _, result in found for one in result.held),
        saved=0.0 if emerged is None else emerged.seconds,
    )


def for_pages(journal: Journal) -> Updated:
    """What the run in ``journal`` has done so far, for the release that it makes. What is promoted was built before."""
    found = [(name, result) for name, result in journal.results.items() if name != "promote"]
    return Updated(
        journal.begun,
        tuple(cpv for _, result in found for cpv in result.came),
        tuple(Failure(one.what, one.why, one.lines) for result in journal.results.values() for one in result.failed),
        tuple((one.what, one.why) for result in journal.results.values() for one in result.held),
    )

"""The result of each step of an update is saved in the journal on disk before the next step starts.

The file is ``<root>/var/lib/portage-ext/update/journal.json``, where root is PORTAGE_CONFIGROOT. It is replaced as a whole. If
it cannot be read, the run starts with the first step; this does no harm, because every step may run twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from portage_ext import files, limits
from portage_ext.updates.result import Failed, Held, Outcome, Result

STATE: Final = "var/lib/portage-ext/update"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Journal:
    """A run in ``role`` that started at ``begun`` (seconds since 1970), and the results of its steps in order.

    ``running`` is the step that runs now or was running when the run was killed. ``interrupted`` is the step at which this run
    continued an earlier one. ``finished`` is True if nothing is left to continue. ``passed`` are the contents of the staging
    channel that passed their trial, identified by the number of the first release with this content; they are kept for later
    runs.
    """

    role: str
    begun: int
    results: Mapping[str, Result] = field(default_factory=dict)
    running: str = ""
    interrupted: str = ""
    finished: bool = False
    passed: tuple[int, ...] = ()

    def starting(self, step: str) -> Journal:
        return replace(self, running=step)

    def ended(self, step: str, result: Result) -> Journal:
        """The journal with the result of ``step``. If the result has a number "passed", that content has passed its trial."""
        content = result.numbers.get("passed")
        passed = self.passed
        if content is not None:
            passed = (*[one for one in passed if one != content][-limits.UPDATE_PASSED + 1 :], content)
        return replace(self, running="", results={**self.results, step: result}, passed=passed)

    def fresh(self, role: str, now: int) -> Journal:
        """The journal of a new run that follows this one."""
        return Journal(role, now, passed=self.passed)


def load(root: Path) -> Journal | None:
    """Read the journal below ``root``; None if there is none or it cannot be read."""
    path = root / STATE / "journal.json"
    try:
        with path.open("rb") as file:
            data = file.read(limits.OWN_RECORD + 1)
        return _parse(json.loads(data)) if len(data) <= limits.OWN_RECORD else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def save(root: Path, journal: Journal) -> None:
    """Replace the journal below ``root``. Raises OSError."""
    directory = root / STATE
    files.make_directory(directory, 0o700)
    files.replace_file(directory / "journal.json", json.dumps({"format": _FORMAT, **asdict(journal)}).encode(), mode=0o600)


def _parse(values: Any) -> Journal:
    if values["format"] != _FORMAT:
        raise ValueError("another format")
    return Journal(
        role=str(values["role"]),
        begun=int(values["begun"]),
        results={str(name): _result(one) for name, one in values["results"].items()},
        running=str(values["running"]),
        interrupted=str(values["interrupted"]),
        finished=values["finished"] is True,
        passed=tuple(int(one) for one in values["passed"]),
    )


def _result(values: Any) -> Result:
    return Result(
        outcome=Outcome(values["outcome"]),
        line=str(values["line"]),
        came=tuple(map(str, values["came"])),
        failed=tuple(map(_failed, values["failed"])),
        held=tuple(Held(str(one["what"]), str(one["why"])) for one in values["held"]),
        told=tuple(map(str, values["told"])),
        numbers={str(name): int(one) for name, one in values["numbers"].items()},
        packages=tuple(map(str, values["packages"])),
        seconds=float(values["seconds"]),
    )


def _failed(one: Any) -> Failed:
    return Failed(str(one["what"]), str(one["why"]), str(one["log"]), tuple(map(str, one["lines"])))

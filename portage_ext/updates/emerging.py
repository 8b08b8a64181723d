"""What emerge would do and what it did is read from Portage itself: its resolver, its vdb, and its own list of failures."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from portage_ext import limits
from portage_ext.errors import InvalidCpvError
from portage_ext.model.cpv import Cpv
from portage_ext.updates.commands import Commands, Ended, tail
from portage_ext.updates.result import Failed, Held, Outcome, Result
from portage_ext.words import counted, spell

_FAILED: Final = re.compile(r"^ \*\s+\((?P<cpv>[^:,\s]+)(?::[^,]*)?, .*?\)(?P<what> \(postinst failed\))?(?:, Log file:)?\s*$")
_ERROR: Final = " * ERROR: "
_ERROR_TEXT: Final = " *   "
"""What a line begins with that has the words of ``die``; the call stack after it begins otherwise."""
_LOG: Final = re.compile(r"^ \*\s+'(?P<path>/[^']+)'\s*$")


@dataclass(frozen=True, slots=True)
class Planned:
    """A package that emerge would merge. ``binary`` is True if it need not be compiled; ``seconds`` is how long compiling it
    took before, if known."""

    cpv: str
    binary: bool
    seconds: float | None = None


def plan(commands: Commands, words: Iterable[str]) -> list[Planned]:
    """The packages that ``emerge --pretend`` lists for ``words``, in merge order. Raises StepError, OSError."""
    atoms = [word for word in words if not word.startswith("-")]
    options = [word for word in words if word.startswith("-")]
    found = commands.own("plan", "graph", "--format", "json", *atoms, "--", *options)
    return [_planned(one) for one in found[0]["packages"]]


def _planned(one: Any) -> Planned:
    seconds = one["seconds"]
    return Planned(str(one["cpv"]), one["kind"] == "binary", None if seconds is None else float(seconds))


def summary(packages: Iterable[Planned]) -> str:
    """The counts of a plan in a few words."""
    listed = list(packages)
    built = [one for one in listed if not one.binary]
    known = sum(one.seconds for one in built if one.seconds is not None)
    time = f" (about {spell(known)})" if known >= 1 else ""
    return f"{counted(len(listed))}: {counted(len(listed) - len(built), 'binary package')}, {len(built)} to compile{time}"


def judged(ended: Ended, planned: Iterable[str], eroot: Path, since: int) -> Result:
    """The result of an emerge of the packages ``planned``, according to the vdb below ``eroot``.

    ``since`` is when emerge started, in seconds since 1970.
    """
    planned = tuple(planned)
    came = tuple(cpv for cpv in planned if _installed(eroot, cpv, since))
    named = (replace(one, what=_without_build(one.what, planned)) for one in failures(ended.lines))
    failed = tuple(one for one in named if one.what not in came)
    gone = {one.what for one in failed}
    held = tuple(Held(cpv, _DROPPED) for cpv in planned if cpv not in came and cpv not in gone)
    if ended.status == 0:
        return Result(Outcome.DONE, f"{counted(len(came))} merged", came)
    if not failed:
        # emerge did not print a list of failures (it was killed, for example), so report its last lines.
        why = f"emerge ended with status {ended.status}"
        failed = (Failed("emerge", why, str(ended.log), ended.last()),)
        return Result(Outcome.FAILED, f"{why} after {counted(len(came))}", came, failed, held)
    line = f"{counted(len(came))} merged, {len(failed)} failed, {len(held)} held back"
    return Result(Outcome.PARTLY, line, came, failed, held)


_DROPPED: Final = "emerge left it out, because a package that it needs failed"


def failures(lines: Iterable[str]) -> list[Failed]:
    """The packages that emerge lists as failed at its end, each with the last lines of its log."""
    found: list[Failed] = []
    for line in lines:
        if match := _FAILED.match(line):
            why = "its phase postinst failed" if match["what"] else "it could not be built or merged"
            found.append(Failed(match["cpv"], why))
        elif found and not found[-1].log and (match := _LOG.match(line)):
            found[-1] = Failed(found[-1].what, found[-1].why, match["path"], _end(Path(match["path"])))
    return list({one.what: one for one in found}.values())


def _without_build(name: str, planned: Collection[str]) -> str:
    """The CPV in emerge's name of a package. The name of a binary package may end with its build id."""
    cpv, _, build = name.rpartition("-")
    return cpv if name not in planned and build.isdigit() and cpv in planned else name


def _end(path: Path) -> tuple[str, ...]:
    if path.suffix == ".gz":
        return ()
    try:
        return last_words([line for line in tail(path) if line.strip()])
    except OSError:
        return ()


def last_words(lines: Sequence[str]) -> tuple[str, ...]:
    """The useful end of a build log: the last output of the build and the error with its text, without Portage's advice."""
    end = next((number for number, line in enumerate(lines) if line.startswith(_ERROR)), len(lines))
    text = takewhile(lambda line: line.startswith(_ERROR_TEXT), lines[end + 1 : end + 1 + limits.UPDATE_LINES])
    return (*lines[max(0, end - limits.UPDATE_LINES) : end], *lines[end : end + 1], *text)


def _installed(eroot: Path, cpv: str, since: int) -> bool:
    try:
        return (eroot / "var/db/pkg" / cpv).stat().st_mtime >= since
    except OSError:
        return False


def name_of(cpv: str) -> str:
    """``category/name`` of a CPV."""
    try:
        return Cpv.parse(cpv).cp
    except InvalidCpvError:
        return cpv

"""A package that [build] confirm-for names is accepted only if builders of two trust groups made the same package.

The groups build one after the other, and the second gets nothing of the first. Who belongs to which group is recorded with the
attempt when it begins, from the register that the administrator of this host keeps; nothing that a builder sends decides it. A
group has one vote, and so has a builder, whatever group it is in later (``Ledger.take`` and ``Ledger.vote``). What "the same"
means is decided in ``gpkg/agreement``. If the packages differ, neither is accepted. Both are kept with a report until a person
has the job built again.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from portage_ext import files, shown
from portage_ext.builds.key import Job
from portage_ext.builds.ledger.entries import Attempt, Vote
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.config.building import Building
from portage_ext.errors import PackageError
from portage_ext.gpkg.agreement import Difference, differences
from portage_ext.gpkg.diffoscope import diffoscope
from portage_ext.limits import builds as limits
from portage_ext.words import counted

REPORT: Final = "differences.txt"
DIFFOSCOPE: Final = "diffoscope.txt"
"""The files beside the second package; diffoscope's only if it is installed."""


def check(building: Building) -> None:
    """Raises UsageError if the settings name something that is no atom: a mistake must not leave a package unconfirmed."""
    if building.confirm_for:
        _parsed(building.confirm_for)


def is_wanted(building: Building, job: Job) -> bool:
    """Whether a second group must confirm the package of this job. Raises UsageError."""
    if building.confirm < 2 or not building.confirm_for:
        return building.confirm > 1
    from portage_ext.host import atoms  # only a host that names packages needs Portage for this

    return atoms.matches(_parsed(building.confirm_for), job.cpv, job.ebuild.get("slot", ""), job.ebuild.get("repository", ""))


def _parsed(texts: Sequence[str]) -> Sequence[Any]:
    from portage_ext.host import atoms

    return atoms.parsed(texts, "[build] confirm-for of portage-ext.toml")


def named(group: str, runner: str) -> str:
    """A builder and its group in words."""
    builder = runner.partition(":")[2]
    return f"{f'builder {builder}' if builder else 'this host'} ({f'group {group}' if group else 'no group'})"


def settle(ledger: Ledger, attempt: Attempt, result: Path) -> bool:
    """Record the checked package ``result`` of ``attempt``, and compare it with that of another group if there is one.

    The job then waits for another group, is accepted, or has failed. Returns False if ``result`` was not recorded.

    Raises LedgerError, OSError.
    """
    votes = ledger.votes(attempt.key)
    who = named(attempt.group, attempt.runner)
    if not votes:
        waits = f"{who} has built it, and builders of another group must build the same ([build] confirm)"
        return ledger.vote(attempt, str(result), "queued", reason=waits)
    first = votes[0]
    advice = f"`portage-ext builds retry {attempt.key[:12]}` lets both groups build it again"
    try:
        found = differences(Path(first.result), result)
    except (PackageError, OSError) as error:
        reason = f"the package of {named(first.group, first.runner)} cannot be compared any more ({error}); {advice}"
        ledger.end(attempt, "failed", failure="environment", reason=reason)
        return False
    if not found:
        if not ledger.vote(attempt, str(result), "checked"):
            return False
        shutil.rmtree(Path(first.result).parent, ignore_errors=True)
        return True
    _write(result.parent / REPORT, first, attempt, result, found)
    what = f"{found[0].kind} {found[0].name}" + (f" and {counted(len(found) - 1, 'other')}" if len(found) > 1 else "")
    reason = (
        f"{named(first.group, first.runner)} and {who} made different packages: {shown.line(what)}; see `portage-ext "
        f"builds show {attempt.key[:12]}` on the build host. {advice}"
    )
    if not ledger.vote(attempt, str(result), "failed", failure="differs", reason=reason):
        return False
    with contextlib.suppress(OSError):
        diffoscope(Path(first.result), result, result.parent / DIFFOSCOPE)
    return True


def reports(votes: Sequence[Vote]) -> list[str]:
    """The paths of the reports about packages that differ."""
    places = [Path(vote.result).parent / name for vote in votes for name in (REPORT, DIFFOSCOPE)]
    return [str(path) for path in places if path.is_file()]


def _write(path: Path, first: Vote, attempt: Attempt, result: Path, found: Sequence[Difference]) -> None:
    lines = [
        f"job     {attempt.key}",
        f"first   {named(first.group, first.runner)}, attempt {first.fence}: {first.result}",
        f"second  {named(attempt.group, attempt.runner)}, attempt {attempt.fence}: {result}",
        counted(len(found), "difference"),
    ]
    for one in found[: limits.DIFFERENCES]:
        lines += ["", f"{one.kind} {one.name}", f"  first   {one.first or 'missing'}", f"  second  {one.second or 'missing'}"]
    if len(found) > limits.DIFFERENCES:
        lines += ["", f"and {len(found) - limits.DIFFERENCES} more"]
    files.replace_file(path, "".join(f"{shown.line(line)}\n" for line in lines).encode(), mode=0o600)

"""A published package is built again from its job, in the environment of its target, and compared with what was published.

The second package is never published. If it differs, it is kept below the state of the builds, with a report of the differences
and, where diffoscope is installed, its report. What "the same" means is decided in gpkg/agreement.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from portage_ext import files, shown
from portage_ext.builds import incoming
from portage_ext.builds.again import results
from portage_ext.builds.issuing import ADDITIONS, digest, issue
from portage_ext.builds.ledger.entries import Entry
from portage_ext.builds.means import Means
from portage_ext.builds.performing import PACKAGES, Performer
from portage_ext.errors import PortageExtError, RequestError
from portage_ext.gpkg.agreement import Difference, differences
from portage_ext.gpkg.diffoscope import diffoscope
from portage_ext.host import atoms as naming
from portage_ext.limits import builds as limits
from portage_ext.model.provenance import KEY as PROVENANCE

KEPT: Final = "again"
"""Below the state of the builds: a directory for each package that differed last time, by the beginning of its key."""
REPORT: Final = "differences.txt"
DIFFOSCOPE: Final = "diffoscope.txt"
LOG: Final = "build.log"
Outcome = Literal["reproducible", "different", "failed"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a package that was built again. ``reason`` says why that failed. ``reports`` are the files about it."""

    cpv: str
    target: str
    key: str
    outcome: Outcome
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    reports: tuple[str, ...] = ()
    seconds: float = 0.0


def chosen(means: Means, atoms: Sequence[str], target: str | None) -> list[Entry]:
    """The published jobs that ``atoms`` match, of ``target`` (None: of every target). Raises RequestError, UsageError."""
    every = [one for one in means.ledger.entries("published") if target in (None, one.target)]
    found: dict[str, Entry] = {}
    for text in atoms:
        parsed = naming.parsed([text], "rebuild-check")
        matching = [
            one
            for one in every
            if naming.matches(parsed, one.job.cpv, one.job.ebuild.get("slot", ""), one.job.ebuild.get("repository", ""))
        ]
        if not matching:
            where = f"for {target} " if target else ""
            why = "only what `portage-ext build` has published has a recorded environment; `portage-ext builds list` shows it"
            raise RequestError(f"no published package {where}matches {text}: {why}")
        found |= {one.key: one for one in matching}
    return list(found.values())


def check(means: Means, entry: Entry) -> Checked:
    """Build ``entry`` again, compare, and remember the result. Raises LedgerError, OSError."""
    began = time.monotonic()
    kept = means.places.state / KEPT / entry.key[:16]
    shutil.rmtree(kept, ignore_errors=True)
    files.make_directory(kept, 0o700)
    with tempfile.TemporaryDirectory(dir=means.places.state) as place:
        outcome, reason, found = _again(means, entry, Path(place), kept)
    if outcome == "reproducible":
        shutil.rmtree(kept)
    reports = tuple(str(kept / name) for name in (REPORT, DIFFOSCOPE, LOG) if (kept / name).is_file())
    if outcome != "failed":
        results.keep(means.places, digest(Path(entry.place)), entry.job.cpv, reproducible=outcome == "reproducible")
    return Checked(entry.job.cpv, entry.target, entry.key, outcome, reason, found, reports, round(time.monotonic() - began, 3))


def _again(means: Means, entry: Entry, place: Path, kept: Path) -> tuple[Outcome, str, tuple[Difference, ...]]:
    published = Path(entry.place)
    out = place / "out"
    out.mkdir()
    try:
        if not published.is_file():
            return "failed", f"its package {published} is gone", ()
        order = issue(means, means.ledger.attempt(entry.key, entry.fence), place / "order")
        performer = Performer(means.places, means.targets, means.bounds)
        with open(kept / LOG, "w+b", opener=_private) as log:
            said = performer.perform(order, place / "order" / ADDITIONS, out, log)
        if said.failure:
            return "failed", said.reason, ()
        second = incoming.accepted(out / PACKAGES, entry.job)
        # The record of the inputs names the commit of the repository, which says nothing about the result.
        found = tuple(one for one in differences(published, second) if (one.kind, one.name) != ("metadata", PROVENANCE))
    except PortageExtError as error:
        return "failed", str(error), ()
    if not found:
        return "reproducible", "", ()
    moved = Path(shutil.move(second, kept / second.name))
    _write(kept / REPORT, entry, moved, found)
    diffoscope(published, moved, kept / DIFFOSCOPE)
    return "different", "", found


def _write(path: Path, entry: Entry, second: Path, found: Sequence[Difference]) -> None:
    lines = [f"published  {entry.place}", f"again      {second}"]
    for one in found[: limits.DIFFERENCES]:
        lines += [
            "",
            f"{one.kind} {one.name}",
            f"  published  {one.first or 'missing'}",
            f"  again      {one.second or 'missing'}",
        ]
    if len(found) > limits.DIFFERENCES:
        lines += ["", f"and {len(found) - limits.DIFFERENCES} more"]
    files.replace_file(path, "".join(f"{shown.line(line)}\n" for line in lines).encode(), mode=0o600)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

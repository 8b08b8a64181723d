"""portage-ext check: the health of this client or binhost in one screen, within ten seconds, and nothing is changed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import Final

from portage_ext.cli import objects
from portage_ext.cli.screen import Screen
from portage_ext.policy.health import Area, Severity
from portage_ext.repositories import health
from portage_ext.tasks.examination import examine
from portage_ext.words import counted

_STATUS: Final = {None: 0, Severity.ERROR: 1, Severity.WARNING: 3}
_COLOUR: Final = {"ok": "green", "warning": "yellow", "error": "red"}


def arguments(parser: argparse.ArgumentParser) -> None:
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 healthy, 1 something is broken, 3 warnings only (2 is usage)."""
    found = examine(health.areas)
    status = _STATUS[found.worst]
    if options.json:
        values = [{**asdict(one), "severity": one.severity or "ok"} for one in found.areas]
        objects.show({"status": status, "seconds": round(found.seconds, 3), "areas": values})
    else:
        _print(found.areas, found.seconds)
    return status


def _print(found: Sequence[Area], seconds: float) -> None:
    screen = Screen()
    width = max(len(one.name) for one in found)
    for one in found:
        state = str(one.severity or "ok")
        screen.table([(f"{state:<7}", f"{one.name:<{width}}", one.summary)], (_COLOUR[state], "bold"))
        for finding, following in zip_longest(one.findings, one.findings[1:]):
            screen.text(finding.what, first="         ", indent="         ", colour=_COLOUR[finding.severity])
            # What one thing cures is told once.
            if following is None or following.remedy != finding.remedy:
                screen.text(finding.remedy, first="           do: ", indent="               ")
    counts = {kind: sum(finding.severity is kind for one in found for finding in one.findings) for kind in Severity}
    screen.line()
    told = [counted(count, kind) for kind, count in reversed(counts.items()) if count]
    screen.line(f"{', '.join(told) or 'healthy'}; {seconds:.1f} s")

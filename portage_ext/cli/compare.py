"""portage-ext compare: this host's configuration beside that of a binhost, as the binhost's release states it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from portage_ext import limits, shown
from portage_ext.cli import objects
from portage_ext.cli.screen import Screen
from portage_ext.errors import UsageError
from portage_ext.fetch.builder import Described
from portage_ext.host.builder import builder as own_builder
from portage_ext.model import builder
from portage_ext.policy.compare import Finding, Grade
from portage_ext.tasks import comparison
from portage_ext.tasks.comparison import Comparison

_COLOUR: Final = {Grade.UNUSABLE: "red", Grade.TRAP: "yellow", Grade.DIFFERENT: "blue"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        metavar="BINREPO|URL|DIR|FILE",
        nargs="?",
        help="a section of binrepos.conf or its sync-uri, a release or channel of a tree, a builder.json (-: standard input)",
    )
    parser.add_argument("--print", action="store_true", dest="own", help="print this host's own builder.json, for another host")
    parser.add_argument("--unverified", action="store_true", help="accept unsigned data from a URL")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 nothing keeps binaries away, 1 something makes them unusable or is a trap."""
    if options.own:
        sys.stdout.write(own_builder().emit().decode())
        return 0
    if options.what is None:
        raise UsageError("name what to compare with: a binrepo, its URL, a directory or a file; or use --print")
    if options.what == "-":
        theirs = builder.parse(sys.stdin.buffer.read(limits.BUILDER_SIZE + 1), "standard input")
        done = comparison.compared(Described(theirs, None, verified=False))
    else:
        done = comparison.compare(options.what, unverified=options.unverified, warn=_warn)
    if options.json:
        _print_json(options.what, done)
    else:
        _print(options.what, done.theirs, done.findings)
    return int(any(one.grade is not Grade.DIFFERENT for one in done.findings))


def _warn(text: str) -> None:
    print(f"portage-ext compare: {shown.text(text)}", file=sys.stderr)


def _print(what: str, described: Described, found: Sequence[Finding]) -> None:
    screen, theirs = Screen(), described.builder
    verified = "verified by its Release" if described.verified else "not verified"
    screen.line(f"{what} ({verified}) and this host", "bold")
    screen.table(
        [
            ("profile", theirs.profile),
            ("compiled for", f"{' '.join(theirs.march) or 'the default'}{_level(theirs)}"),
            ("Portage", f"{theirs.portage}, portage-ext {theirs.portage_ext}"),
        ],
        indent="  ",
    )
    for one in found:
        screen.line()
        screen.line(f"{screen.paint(one.grade.value, _COLOUR[one.grade])}  {screen.paint(one.name, 'bold')}")
        screen.text(one.what, first="  ", indent="  ")
        if one.where:
            screen.line(f"  here: {one.where}")
        screen.text(one.remedy, first="  do: ", indent="      ")
    counts = {grade: sum(one.grade is grade for one in found) for grade in Grade}
    screen.line()
    told = [f"{count} {grade}{'s' if grade is Grade.TRAP and count > 1 else ''}" for grade, count in counts.items() if count]
    screen.line(", ".join(told) or "nothing differs")


def _level(theirs: builder.Builder) -> str:
    return f" (x86-64-v{theirs.cpu_level})" if theirs.cpu_level > 1 else " (x86-64)" if theirs.cpu_level == 1 else ""


def _print_json(what: str, done: Comparison) -> None:
    values = {
        "binhost": shown.line(what),
        "verified": done.theirs.verified,
        "builder": json.loads(done.theirs.builder.emit()),
        "findings": [asdict(one) for one in done.findings],
        "packages": [asdict(one) for one in done.known.packages],
        "unbuilt": list(done.known.unbuilt),
    }
    objects.show(values)

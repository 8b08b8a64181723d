"""portage-ext bisect: which release broke something, and which of its packages; each is installed in a scratch root."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
from types import FrameType
from typing import Final

from portage_ext import shown
from portage_ext.cli import objects, places
from portage_ext.releases.halving import Verdict
from portage_ext.tasks.releasing.bisecting import Bisected, Culprit, bisect
from portage_ext.words import counted

_INTERRUPTED: Final = 130
"""As of a program that SIGINT ended."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def arguments(parser: argparse.ArgumentParser) -> None:
    places.tree(parser)
    parser.add_argument(
        "--install",
        action="append",
        default=[],
        metavar="NAME",
        help="category/name to install, with all needs (default: all changed)",
    )
    objects.option(parser)
    parser.add_argument("good", metavar="GOOD", help="a release or channel without the defect")
    parser.add_argument("bad", metavar="BAD", help="a newer release or channel with it")
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="after --: tells a good release (status 0) from a bad one")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 the release and its packages are known, 1 some could not be told apart, 130 interrupted."""
    for number in _SIGNALS:
        signal.signal(number, _stop)
    try:
        found = bisect(
            places.site(options),
            options.good,
            options.bad,
            options.words,
            install=options.install,
            repository=options.repository,
            tree=options.tree,
            tell=_tell,
        )
    except KeyboardInterrupt:
        print("portage-ext bisect: interrupted; the scratch root was removed", file=sys.stderr)
        return _INTERRUPTED
    exact = len(found.packages) == 1 and not found.between
    if options.json:
        objects.show(dataclasses.asdict(found))
        return 0 if exact else 1
    print(shown.line(summary(found)))
    for one in found.packages:
        print(f"  {shown.line(described(one))}")
    return 0 if exact else 1


def summary(found: Bisected) -> str:
    """The release, in one line."""
    count = counted(found.installations, "installation")
    what = f"release {found.bad} of {found.channel} is the first bad one ({count})"
    if found.between:
        between = ", ".join(map(str, found.between))
        what = f"release {found.bad} of {found.channel} is bad and {found.good} is good ({count}); not testable: {between}"
    return f"{what}; {'broken by' if len(found.packages) == 1 else 'broken by one or more of these packages'}:"


def described(one: Culprit) -> str:
    """A package with its builds."""
    was, now = (", ".join(builds) or "not there" for builds in (one.before, one.after))
    return f"{one.name}: {now} (before: {was})"


def _tell(what: str, verdict: Verdict, why: str) -> None:
    print(f"portage-ext bisect: {what}: {verdict}{f': {shown.text(why)}' if why else ''}", file=sys.stderr, flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    for one in _SIGNALS:
        signal.signal(one, signal.SIG_IGN)  # what follows is short, and must not be left half done
    raise KeyboardInterrupt

"""portage-ext rebuild: which installed packages must be built again, and why; emerge builds them."""

from __future__ import annotations

import argparse

from portage_ext import shown
from portage_ext.cli import objects
from portage_ext.cli.screen import Screen
from portage_ext.errors import UsageError
from portage_ext.tasks import rebuilding


def arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--broken", action="store_true", help="packages with a file that the loader would not start")
    what.add_argument("--users-of", metavar="ATOM", help="packages that need a library of this installed package")
    parser.add_argument("--versions", metavar="PATTERN", help="with --users-of: that need such a symbol version (GLIBC_2.4*)")
    parser.add_argument("--atoms", action="store_true", help="print only atoms, for xargs")
    objects.option(parser)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 with ``--broken`` when something is broken."""
    if options.broken and options.versions is not None:
        raise UsageError("--versions goes with --users-of")
    found = rebuilding.broken() if options.broken else rebuilding.users_of(options.users_of, options.versions)
    if options.json:
        packages = [{"cpv": one.cpv, "atom": one.atom, "reasons": list(one.reasons)} for one in found]
        objects.show({"packages": packages})
    elif options.atoms:
        for one in dict.fromkeys(one.atom for one in found):
            print(shown.line(one))
    elif not found:
        print("nothing is broken" if options.broken else "no installed package needs it")
    else:
        screen = Screen()
        screen.table([(one.cpv, "; ".join(one.reasons)) for one in found])
        screen.line(rebuilding.command(found))
    return 1 if options.broken and found else 0

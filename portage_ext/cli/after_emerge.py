"""portage-ext after-emerge: what is new in PKGDIR is signed, indexed and published, as [binhost] of portage-ext.toml says.

emerge, ebuild, quickpkg and emaint call it when they end (emerge/after.py); a timer or a person may, too. One line says what it
did.
"""

from __future__ import annotations

import argparse
import gc
import sys
import traceback
from collections.abc import Sequence

from portage_ext.cli import tree as common
from portage_ext.errors.releases import BusyError
from portage_ext.tasks import upkeep
from portage_ext.tasks.upkeep import Upkeep


def arguments(parser: argparse.ArgumentParser) -> None:
    common.publisher_arguments(parser)
    parser.add_argument("--pending", action="store_true", help="only if a run has left something to do (as emerge calls it)")
    parser.add_argument("--ahead", type=int, metavar="NS", help="begin when a byte arrives on stdin (as emerge calls it)")
    parser.add_argument("--force", action="store_true", help="also if little or nothing of what there is would be offered")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 done, or nothing to do, or (``--pending``) left to another run; 1 failed; 75 not told to begin."""
    # A short life: the index makes many objects and no garbage worth looking for.
    gc.disable()
    former: Sequence[int] = ()
    if options.ahead is not None:
        from portage_ext.tasks import ahead

        handed = ahead.told(options.ahead)
        if handed is None:
            return ahead.NOT_TOLD
        former = handed
    status, pending, overrides = 0, options.pending, common.overrides(options)
    try:
        for done in upkeep.upkeep(
            options.config_root, pending=pending, may_lose=options.force, overrides=overrides, former=former
        ):
            _tell(done)
            status, pending = int(not done.ok), True
    except BusyError as error:
        if not pending:
            raise
        print(f"portage-ext: {error}", file=sys.stderr)
    return status


def _tell(done: Upkeep) -> None:
    if done.defect is not None:
        traceback.print_exception(done.defect)
    if done.line:
        print(f"portage-ext: {done.line}", file=sys.stdout if done.ok else sys.stderr)

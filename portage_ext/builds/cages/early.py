"""emerge is loaded while its environment is still being checked, and begins when the first process of the cage allows it.

It runs in a cage with the Python of the environment: ``python -m portage_ext.builds.cages.early EMERGE ARGUMENTS…``. It only
imports modules of Portage and waits for a line. Then it runs the script of emerge as Python would have run it. If the line does
not come, the environment is not that of the target, or this host has given up, and nothing is run.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import runpy
import sys
from typing import Final

MODULES: Final = ("_emerge.main", "_emerge.actions", "_emerge.depgraph", "_emerge.Scheduler")
"""What every run of emerge imports, which takes an eighth of a second."""


def main() -> int:
    """Return the exit status if emerge was not allowed to run; otherwise that of emerge ends this process."""
    script = sys.argv[1]
    del sys.argv[0]
    sys.path[0] = os.path.dirname(script)
    # emerge itself says what is wrong with modules that cannot be imported.
    with contextlib.suppress(Exception):
        for name in MODULES:
            importlib.import_module(name)
    if not sys.stdin.buffer.readline():
        return 1
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())

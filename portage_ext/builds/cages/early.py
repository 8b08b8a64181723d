"""emerge is loaded while its environment is being checked or its package is being built, and begins when that is done.

It runs in a cage with the Python of the environment: ``python -m portage_ext.builds.cages.early PACKAGES EMERGE ARGUMENTS…``.
It only imports modules of Portage, has killed phases count as failed, and waits for a line. Then it copies the directory
PACKAGES (empty: nothing) to PKGDIR, and runs the script of emerge as Python would have run it. If the line does not come, the
environment is not that of the target, or this host has given up, and nothing is run.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import runpy
import shutil
import sys
from typing import Final

from portage_ext.emerge import phases

MODULES: Final = (
    "_emerge.main", "_emerge.actions", "_emerge.depgraph", "_emerge.Scheduler", "_emerge.post_emerge", "portage.dbapi.bintree",
    "portage.gpkg", "portage.cache.flat_hash", "portage._sets.dbapi", "portage._sets.libs", "portage._sets.security",
    "portage.util._dyn_libs.LinkageMapELF", "multiprocessing.connection", "multiprocessing.popen_fork",
)  # fmt: skip
"""What every run of emerge imports, which takes a fifth of a second; some names are not there in every version."""
OURS: Final = (
    "portage_ext.emerge.index_key",
    "portage_ext.emerge.graph",
    "portage_ext.emerge.plan.ordering",
    "portage_ext.emerge.hint",
)
"""The same for an emerge that has loaded portage-ext."""
_SEAM: Final = "portage_ext.emerge.seam"


def main() -> int:
    """Return the exit status: that of emerge, or 1 if it was not allowed to run."""
    packages, script = sys.argv[1:3]
    sys.argv = sys.argv[2:]
    sys.path[0] = os.path.dirname(script)
    for name in MODULES:
        _load(name)
    for name in OURS if _SEAM in sys.modules else ():
        _load(name)
    phases.begin()
    if not sys.stdin.buffer.readline():
        return 1
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    if packages:
        shutil.copytree(packages, os.environ["PKGDIR"], dirs_exist_ok=True)
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    return 0


def _load(name: str) -> None:
    # emerge itself says what is wrong with modules that cannot be imported.
    with contextlib.suppress(Exception):
        importlib.import_module(name)


if __name__ == "__main__":
    status = main()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    # Its memory goes with the process. Python would free each object before, which takes 0.05 s.
    os._exit(status)

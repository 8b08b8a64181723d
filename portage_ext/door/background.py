"""The process that plans is started by whoever accepts a request, and only one is at work; the door itself stays quick."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from portage_ext import files, locks
from portage_ext.builds.means import Places

LOCK: Final = "door.lock"
"""Below ``Places.state``; held by the process that plans."""


def start(places: Places, config_root: Path) -> None:
    """Start the process that plans (``planning.work``), unless one is at work: that looks again before it ends.

    Raises OSError.
    """
    files.make_directory(places.state, 0o700)
    with locks.tried(places.state / LOCK) as fd:
        if fd is None:
            return
    words = [sys.executable, "-P", "-m", "portage_ext.cli.main", "door", "--config-root", str(config_root), "--plan"]
    with open(os.devnull, "r+b") as nothing:
        subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)

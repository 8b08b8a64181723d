"""Accepting a request starts a background process that plans it, and only one such process runs, so that answers are fast."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from portage_ext import files, locks
from portage_ext.builds.places import Places

LOCK: Final = "door.lock"
"""The lock file below ``Places.state`` that the planning process holds."""


def start(places: Places, config_root: Path) -> None:
    """Start the planning process (``planning.work``) unless one runs already; that one looks for new requests before it ends.

    Raises OSError.
    """
    files.make_directory(places.state, 0o700)
    with locks.tried(places.state / LOCK) as fd:
        if fd is None:
            return
    words = [sys.executable, "-P", "-m", "portage_ext.cli.main", "door", "--config-root", str(config_root), "--plan"]
    with open(os.devnull, "r+b") as nothing:
        subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)

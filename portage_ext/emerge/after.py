"""A Portage program that changes PKGDIR leaves a mark before the change. When it ends, one process does the work after it.

The work runs in a separate process (``portage-ext after-emerge``) with the configuration of the system, not that of this run.
It does not inherit the variables or modules of this run: after an upgrade of Portage or portage-ext, emerge still has the old
modules. The work starts after the merge, so its success or failure cannot affect the merge.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import portage

from portage_ext.config import settings as configuration
from portage_ext.config.unattended import OFF, after_emerge_configured
from portage_ext.emerge import messages
from portage_ext.errors import SettingsError
from portage_ext.host import elog
from portage_ext.unattended import log, marks
from portage_ext.unattended.marks import HeldMark

_PASSED_ON: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TERM", "TMPDIR", "TZ", "NO_COLOR", "PYTHONPATH"),
    *("GNUPGHOME", "GPG_VERIFY_USER_DROP", "GPG_VERIFY_GROUP_DROP", "PORTAGE_EXT_SAID"),
    *("PORTAGE_CONFIGROOT", "ROOT", "SYSROOT", "EPREFIX", "PORTAGE_OVERRIDE_EPREFIX"),
)
"""The variables that the work inherits: locations only. PKGDIR and FEATURES of a single run do not describe the binhost."""

_marks: dict[tuple[int, str, str], HeldMark | None] = {}
"""Marks by process, configuration root and PKGDIR: a forked child that changes PKGDIR leaves its own mark."""


def mark(root: str, pkgdir: str, *, emerge: bool) -> None:
    """Note that this process is about to change ``pkgdir``; ``emerge``: :func:`finish` will be called.

    Leaves a mark where [binhost] of ``root`` asks for work after emerge. Raises OSError.
    """
    key = (os.getpid(), root, pkgdir)
    if key in _marks:
        return
    _marks[key] = None
    if not _wanted(Path(root)):
        return
    _marks[key] = HeldMark(Path(root), Path(pkgdir))
    if not emerge:
        atexit.register(_at_exit, os.getpid(), root)


def _wanted(root: Path) -> bool:
    if not after_emerge_configured(root):
        return False
    try:
        return configuration.load(root).unattended.after_emerge != OFF
    except SettingsError:
        return True  # the work says what is wrong with the file


def finish(root: str, settings: Any = None) -> int:
    """Do the work for this process, which changes nothing any more, and for runs that died. Returns an exit status.

    In an emerge, ``settings`` is its configuration: the result is written to emerge.log, and a failure also to elog. The
    status is also 0 if there is nothing to do, or if another process does it.
    """
    for key in [key for key in _marks if key[0] == os.getpid()]:
        held = _marks.pop(key)
        if held is not None:
            held.release()
    if os.environ.get(marks.LATER) == "later" or not marks.free(Path(root)):
        return 0
    environment = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith("LC_")}
    words = [sys.executable, "-P", "-m", "portage_ext.cli.main", "after-emerge", "--pending", "--config-root", root]
    sys.stdout.flush()
    before = log.last(Path(root))
    # Its one line goes to stderr: scripts read the stdout of Portage's programs.
    status = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=2, env=environment, cwd="/", check=False).returncode
    if status < 0 or status > 1:
        messages.line(
            f"after-emerge FAILED: it ended with status {status}. The next run tries again; or run portage-ext after-emerge"
        )
    said = log.last(Path(root))
    if settings is not None and said is not None and said != before:
        from _emerge.emergelog import emergelog

        emergelog(False, f" *** portage-ext: {said.line}")
        if not said.ok:
            elog.send(settings, [said.line], error=True)
    return 1 if status else 0


def _at_exit(pid: int, root: str) -> None:
    """Do the work at the end of ebuild, quickpkg or emaint. A failure replaces their exit status."""
    # An emerge that has quickpkg save what it is about to unmerge works after both.
    if os.getpid() != pid or "__PORTAGE_INHERIT_VARDB_LOCK" in os.environ:
        return
    try:
        status = finish(root)
    except Exception as error:  # noqa: BLE001 - the last thing that happens; it must be told, and nothing else can go wrong
        messages.line(f"after-emerge FAILED: {type(error).__name__}: {error}")
        status = 1
    if status:
        portage.process.run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

"""A new ebuild is built once, isolated from this system: no network, and no place to write but a scratch directory.

Portage's own `ebuild` goes up to src_install, so nothing is merged and no package is made. It drops privileges and uses its
sandbox as FEATURES says. What the package needs to be built must be installed on this host.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from portage_ext import shown
from portage_ext.errors.pypi import OverlayError
from portage_ext.host.distfiles import building_directory, distdir, distfiles
from portage_ext.limits import repositories as limits
from portage_ext.repositories import confined
from portage_ext.repositories.bump import copying
from portage_ext.words import counted

_LOG: Final = "build.log"
_FAILED: Final = re.compile(r"ERROR: \S+ failed \((\w+) phase\):")
_MARKS: Final = re.compile(r"^(?:\x1b\[[0-9;]*m|[ *!>])+|\x1b\[[0-9;]*m")


def built(path: Path) -> Iterator[str]:
    """Build the ebuild at ``path``, and yield lines that say how.

    If that fails, the log stays. Raises OverlayError with its path, ConfinementError, OSError.
    """
    overlay = path.parents[2]
    package = f"{path.parent.parent.name}/{path.stem}"
    if not all((distdir() / one).exists() for one in distfiles(package, overlay) or ()):
        copying.ebuild(path, "fetch")
    if (why := confined.lacking()) is not None:
        yield f"this system cannot isolate the build ({shown.line(why)}); it is only limited"
    scratch = Path(tempfile.mkdtemp(prefix="portage-ext-bump-", dir=building_directory()))
    scratch.chmod(0o755)  # phases may run as another user
    keep = False
    try:
        done = confined.run(
            ["sh", "-c", f'exec "$@" >{_LOG} 2>&1', "sh", "ebuild", os.path.abspath(path), "install"],
            user=None,
            writable=[scratch],
            environment={
                **os.environ,
                "PORTAGE_TMPDIR": str(scratch),
                "PORTAGE_LOGDIR": "",
                "NOCOLOR": "true",
                "CCACHE_DISABLE": "1",
            },
            seconds=limits.BUMP_SECONDS,
            largest_file=limits.BUMP_BUILD_FILE,
            memory=limits.BUMP_BUILD_MEMORY,
        )
        if done.returncode:
            keep = True
            _clean(scratch)
            raise OverlayError(str(path), f"its trial build failed: {_why(scratch / _LOG)}; the log is {scratch / _LOG}")
        count = sum(len(files) for _, _, files in os.walk(scratch / "portage" / package / "image"))
        yield f"built once on trial: it installs {counted(count, 'file')}"
    finally:
        if not keep:
            shutil.rmtree(scratch, ignore_errors=True)


def _clean(scratch: Path) -> None:
    """Remove everything but the log."""
    for one in scratch.iterdir():
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one, ignore_errors=True)


def _why(log: Path) -> str:
    """The message of the phase that failed, or else the last line."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - limits.BUMP_BUILD_LOG))
        lines = [_MARKS.sub("", line).strip() for line in file.read().decode("utf-8", "replace").splitlines()]
    for number, line in enumerate(lines[:-1]):
        if (match := _FAILED.search(line)) is not None:
            return shown.line(f"{lines[number + 1] or 'no message'} (src_{match[1]})")
    return shown.line(next((line for line in reversed(lines) if line), "it printed nothing"))

"""A report of diffoscope, where it is installed. It reads what nobody trusts, so it runs apart from the host."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from portage_ext.limits import builds as limits

_APART: Final = (
    "unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
)  # fmt: skip
"""diffoscope gives packages that nobody trusts to many programs, so it runs without network and as nobody."""


def diffoscope(first: Path, second: Path, out: Path) -> None:
    """Write diffoscope's report if it is installed. If it takes too long, the report is what it had written. Raises OSError."""
    program = shutil.which("diffoscope")
    if program is None:
        return
    with tempfile.TemporaryDirectory(prefix="portage-ext.") as place:
        os.chmod(place, 0o755)
        for name, path in (("first.gpkg.tar", first), ("second.gpkg.tar", second)):
            shutil.copyfile(path, Path(place, name))
        apart = _APART if os.geteuid() == 0 else ()
        words = [*apart, program, "--no-progress", "--text", "-", "first.gpkg.tar", "second.gpkg.tar"]
        with open(out, "wb", opener=_private) as text:
            process = subprocess.Popen(
                words, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
            )  # fmt: skip
            try:
                said, _ = process.communicate(timeout=limits.DIFFOSCOPE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                said, _ = process.communicate()
                said += b"\n(it was ended after its time)\n"
            text.write(said[: limits.DIFFOSCOPE_SIZE])


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

"""A report of diffoscope, where it is installed. It reads what nobody trusts, so it runs apart from the host.

diffoscope does not know gpkg: it would compare the containers byte by byte. So it gets what is compared: the metadata of each
package as files, and the image as a tar without times.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Final, cast

from portage_ext.errors import OversizedPackageError, PackageError
from portage_ext.gpkg.agreement import IGNORED
from portage_ext.gpkg.container import read_container, read_metadata
from portage_ext.gpkg.image import gpkg_image
from portage_ext.gpkg.source import Source, open_package
from portage_ext.limits import builds as limits

_APART: Final = (
    "unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs",
)  # fmt: skip
"""diffoscope gives packages that nobody trusts to many programs, so it runs without network and as nobody."""
_WORDS: Final = ("--no-progress", "--exclude-directory-metadata", "yes", "--text", "-", "first", "second")
_TIMES: Final = ("atime", "ctime", "mtime")


def diffoscope(first: Path, second: Path, out: Path) -> None:
    """Write diffoscope's report on two gpkg files, if it is installed. If it fails or takes too long, the report says so.

    Raises OSError.
    """
    program = shutil.which("diffoscope")
    if program is None:
        return
    with tempfile.TemporaryDirectory(prefix="portage-ext.") as directory, open(out, "wb", opener=_private) as report:
        place = Path(directory)
        place.chmod(0o755)
        try:
            for name, path in (("first", first), ("second", second)):
                _contents(path, place / name)
        except PackageError as error:
            report.write(f"diffoscope was not run: {error}\n".encode())
            return
        said, trouble = _run(program, place)
        report.write(said[: limits.DIFFOSCOPE_SIZE])
        report.write(trouble[: limits.DIFFOSCOPE_SAID])


def _run(program: str, place: Path) -> tuple[bytes, bytes]:
    """What diffoscope says about ``first`` and ``second`` in ``place``, and why it is not all that it could have said."""
    scratch = place / "scratch"
    scratch.mkdir()
    scratch.chmod(0o777)  # its own temporary files, which it leaves behind if it is killed
    environment = {
        "PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", "TMPDIR": str(scratch)
    }  # fmt: skip
    process = subprocess.Popen(
        [*(_APART if os.geteuid() == 0 else ()), program, *_WORDS],
        cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip
    try:
        said, trouble = process.communicate(timeout=limits.DIFFOSCOPE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0], f"\ndiffoscope was ended after {limits.DIFFOSCOPE_SECONDS:.0f} s\n".encode()
    # 1: they differ, unless nothing is said of how: then what runs it apart did not start. 0 is possible: times are not in what
    # it got, and we compare more than it shows.
    if process.returncode == 0 or (process.returncode == 1 and said):
        return said, b""
    return said, f"\ndiffoscope ended with status {process.returncode}:\n".encode() + trouble


def _contents(package: Path, to: Path) -> None:
    """Unpack what is compared of ``package`` into ``to``. Raises PackageError, OSError."""
    fd = open_package(package)
    try:
        source = Source(fd, str(package))
        container = read_container(source)
        (to / "metadata").mkdir(parents=True)
        for key, value in read_metadata(source, container).items():
            if key not in IGNORED:
                (to / "metadata" / key).write_bytes(value)
        size = 0
        with tarfile.open(to / "image.tar", "w") as image:
            for name, member, content in gpkg_image(source, container):
                size += member.size
                if size > limits.DIFFOSCOPE_IMAGE:
                    raise OversizedPackageError(str(package), f"an image of more than {limits.DIFFOSCOPE_IMAGE} bytes")
                member.name, member.mtime = name.removeprefix("/"), 0
                member.pax_headers = {key: value for key, value in member.pax_headers.items() if key not in _TIMES}
                image.addfile(member, cast("IO[bytes]", content))
    finally:
        os.close(fd)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

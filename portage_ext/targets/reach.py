"""A host is captured from a directory on this machine or over ssh, and nothing is installed or written on it.

Over ssh, this whole package is sent on standard input, kept in memory there (memfd_create(2)), and imported as a zip file. So
the host only needs Portage and its Python, and both sides run the same code. The system's ssh is used with the keys and
configuration of the current user; it may ask for a password. A capture on this machine is a process that this process begins
and need not wait for at once (:class:`Capture`).
"""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import portage_ext
from portage_ext.errors.builds import CaptureError
from portage_ext.limits import builds as limits
from portage_ext.targets import capture
from portage_ext.targets.capture import Target

_MODULE: Final = "portage_ext.targets.collect"
_BOOTSTRAP: Final = (
    "import os, sys; "
    "package = os.memfd_create('portage-ext'); "
    "open(package, 'wb', closefd=False).write(sys.stdin.buffer.read({size})); "
    "sys.path.insert(0, '/proc/self/fd/%d' % package); "
    "from {module} import main; sys.exit(main())"
)
"""Imports the package, which has ``size`` bytes (-1: all that comes), and runs ``module``."""
_EMERGE: Final = ("usr/bin/emerge", "bin/emerge")
_CHROOT: Final = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
"""Mounts /proc and /dev, which a fresh chroot lacks, in a mount namespace that ends with the command."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REPOS_CONF: Final = ("usr/share/portage/config/repos.conf", "etc/portage/repos.conf")


class Capture:
    """A capture that has begun. As a context manager, it ends the other side if nobody waited for it."""

    def __init__(
        self, words: Sequence[str], where: str, source: str, environment: Mapping[str, str], *, given: bytes = b""
    ) -> None:
        """Start ``words`` with ``given`` on standard input. ``where`` is what errors name. Raises CaptureError."""
        self._words, self._where, self._source = words, where, source
        self._until = time.monotonic() + limits.CAPTURE_SECONDS
        # A file, not a pipe: nobody would write to a pipe while this process does something else.
        with tempfile.TemporaryFile() as file:
            file.write(given)
            file.seek(0)
            try:
                self._process = subprocess.Popen(
                    words, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(environment)
                )
            except OSError as error:
                raise CaptureError(where, f"cannot run {words[0]} ({error.strerror})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # which closes its pipes and waits for its end
            self._process.kill()

    def target(self) -> Target:
        """Wait for its end and return what it captured. Raises CaptureError, InvalidBuilderError."""
        try:
            said, errors = self._process.communicate(timeout=max(0.0, self._until - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise CaptureError(self._where, f"it did not answer within {limits.CAPTURE_SECONDS:.0f} s") from error
        if not said:
            told = " ".join(errors[-limits.CAPTURE_SAID :].decode("utf-8", "replace").split())[-600:]
            name = Path(self._words[0]).name
            raise CaptureError(self._where, f"{name} ended with status {self._process.returncode}: {told or 'it said nothing'}")
        return replace(capture.parse(said, self._where), source=self._source)


def directory(root: Path) -> Capture:
    """Begin to capture the system below ``root`` with its own Portage in a chroot, or with the Portage of this host if it has
    none.

    Raises CaptureError.
    """
    top = _checked(root)
    if os.geteuid() == 0 and any(os.path.lexists(top / name) for name in _EMERGE):
        words = in_chroot(top, _MODULE)
        environment = {"PATH": os.environ.get("PATH", os.defpath)}
        return Capture(words, str(root), f"chroot:{top}", environment, given=package_zip(compressed=False))
    environment = {"EPREFIX": "", "PORTAGE_CONFIGROOT": str(top), "ROOT": str(top), "SYSROOT": str(top)}
    if own := os.environ.get("PORTAGE_OVERRIDE_EPREFIX"):
        environment["PORTAGE_OVERRIDE_EPREFIX"] = own  # the Portage of this host is itself in a prefix
    if moved := _repositories(top):
        environment["PORTAGE_REPOSITORIES"] = moved
    return Capture([sys.executable, "-m", _MODULE], str(root), f"root:{top}", _variables(environment))


def prefix(place: Path) -> Capture:
    """Begin to capture the Gentoo Prefix at ``place``. Raises CaptureError."""
    top = _checked(place)
    own = next((str(path) for path in (top / "usr/bin/python3", top / "usr/bin/python") if path.exists()), sys.executable)
    environment = _variables({"PORTAGE_OVERRIDE_EPREFIX": str(top)})
    return Capture([own, "-m", _MODULE], str(place), f"prefix:{top}", environment)


def _checked(place: Path) -> Path:
    if not (place / "etc/portage").is_dir():
        raise CaptureError(str(place), "there is no etc/portage in it: name the root of a Gentoo system")
    return place.resolve()


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    """All environment variables for the Portage of this process, or of a prefix."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"LC_ALL": "C.UTF-8", "PYTHONPATH": _importable(), **environment}


def over_ssh(host: str, options: Sequence[str] = (), python: str = "python3") -> Capture:
    """Begin to capture ``host`` (``[user@]name`` or a Host of ssh_config); ``options`` are additional ssh options.

    Raises CaptureError.
    """
    return Capture(on_host(host, options, _MODULE, python=python), host, f"ssh:{host}", os.environ, given=package_zip())


def on_host(host: str, options: Sequence[str], module: str, size: int = -1, python: str = "python3") -> list[str]:
    """The command that runs ``module`` on ``host``. It wants the package, which has ``size`` bytes, on standard input. Raises
    CaptureError."""
    if not host or host.startswith("-") or not host.isprintable() or " " in host:
        raise CaptureError(repr(host), "that is no host: write USER@HOST or a Host of ssh_config")
    remote = shlex.join(["env", "LC_ALL=C.UTF-8", python, "-c", _BOOTSTRAP.format(size=size, module=module)])
    return ["ssh", "-oConnectTimeout=15", "-oServerAliveInterval=15", "-T", *options, "--", host, remote]


def in_chroot(top: Path, module: str, size: int = -1) -> list[str]:
    """The same for the chroot ``top`` on this host."""
    code = _BOOTSTRAP.format(size=size, module=module)
    inside = ["/usr/bin/env", "-i", f"PATH={_PATH}", "HOME=/root", "LC_ALL=C.UTF-8", "python3", "-c", code]
    return ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", _CHROOT, str(top), *inside]


def package_zip(*, compressed: bool = True) -> bytes:
    """The modules of this package as a zip file that Python can import from. Compression takes 0.1 s."""
    import zipfile  # this and configparser are needed only for some captures

    top, method = Path(portage_ext.__file__).parent, zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for path in sorted(top.rglob("*.py")):
            # All entries get a fixed date, so that two zip files of the same code have the same bytes.
            archive.writestr(zipfile.ZipInfo(f"portage_ext/{path.relative_to(top)}"), path.read_bytes(), method)
    return data.getvalue()


def _importable() -> str:
    """The PYTHONPATH with which a Python process that we start finds the same package and Portage as this process."""
    return os.pathsep.join(path for path in sys.path if path)


def _repositories(root: Path) -> str:
    """The repos.conf of ``root`` with the locations converted to paths on this host; empty if they are valid unchanged.

    The repos.conf of a chroot has the locations as seen inside the chroot. Portage reads a replacement for repos.conf from
    PORTAGE_REPOSITORIES (emerge(1)).
    """
    import configparser

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    for name in _REPOS_CONF:
        path = root / name
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            try:
                parser.read(file, encoding="utf-8")
            except (configparser.Error, UnicodeDecodeError) as error:
                raise CaptureError(str(file), " ".join(str(error).split())) from error
    moved = False
    for section in parser.sections():
        location = parser.get(section, "location", fallback="")
        if location and not os.path.isdir(location) and (root / location.lstrip("/")).is_dir():
            parser.set(section, "location", str(root / location.lstrip("/")))
            moved = True
    if not moved:
        return ""
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()

"""A host is captured from a directory on this machine or over ssh, and nothing is installed or written on it.

Over ssh, this whole package is sent on standard input, kept in memory there (memfd_create(2)), and imported as a zip file. So
the host only needs Portage and its Python, and both sides run the same code. The system's ssh is used with the keys and
configuration of the current user; it may ask for a password.
"""

from __future__ import annotations

import configparser
import io
import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import portage_ext
from portage_ext.errors.builds import CaptureError
from portage_ext.limits import builds as limits
from portage_ext.targets import capture
from portage_ext.targets.capture import Target

_MODULE: Final = "portage_ext.targets.collect"
_BOOTSTRAP: Final = (
    "import os, sys; "
    "package = os.memfd_create('portage-ext'); "
    "open(package, 'wb', closefd=False).write(sys.stdin.buffer.read()); "
    "sys.path.insert(0, '/proc/self/fd/%d' % package); "
    f"from {_MODULE} import main; sys.exit(main())"
)
_EMERGE: Final = ("usr/bin/emerge", "bin/emerge")
_CHROOT: Final = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
"""Mounts /proc and /dev, which a fresh chroot lacks, in a mount namespace that ends with the command."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REPOS_CONF: Final = ("usr/share/portage/config/repos.conf", "etc/portage/repos.conf")


def directory(root: Path) -> Target:
    """Capture the system below ``root`` with its own Portage in a chroot, or with the Portage of this host if it has none.

    Raises CaptureError, InvalidBuilderError.
    """
    top = _checked(root)
    if os.geteuid() == 0 and any(os.path.lexists(top / name) for name in _EMERGE):
        inside = ["/usr/bin/env", "-i", f"PATH={_PATH}", "HOME=/root", "LC_ALL=C.UTF-8", "python3", "-c", _BOOTSTRAP]
        words = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", _CHROOT, str(top), *inside]
        answer = _answer(words, str(root), package_zip(), {"PATH": os.environ.get("PATH", os.defpath)})
        return replace(capture.parse(answer, str(root)), source=f"chroot:{top}")
    environment = {"EPREFIX": "", "PORTAGE_CONFIGROOT": str(top), "ROOT": str(top), "SYSROOT": str(top)}
    if own := os.environ.get("PORTAGE_OVERRIDE_EPREFIX"):
        environment["PORTAGE_OVERRIDE_EPREFIX"] = own  # the Portage of this host is itself in a prefix
    if moved := _repositories(top):
        environment["PORTAGE_REPOSITORIES"] = moved
    return replace(_asked([sys.executable, "-m", _MODULE], str(root), environment), source=f"root:{top}")


def prefix(place: Path) -> Target:
    """Capture the Gentoo Prefix at ``place``. Raises CaptureError, InvalidBuilderError."""
    top = _checked(place)
    own = next((str(path) for path in (top / "usr/bin/python3", top / "usr/bin/python") if path.exists()), sys.executable)
    found = _asked([own, "-m", _MODULE], str(place), {"PORTAGE_OVERRIDE_EPREFIX": str(top)})
    return replace(found, source=f"prefix:{top}")


def _checked(place: Path) -> Path:
    if not (place / "etc/portage").is_dir():
        raise CaptureError(str(place), "there is no etc/portage in it: name the root of a Gentoo system")
    return place.resolve()


def _asked(words: Sequence[str], where: str, environment: Mapping[str, str]) -> Target:
    """Run the Portage of this process, or of a prefix, with only the given environment, and return the capture."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    kept |= {"LC_ALL": "C.UTF-8", "PYTHONPATH": _importable(), **environment}
    return capture.parse(_answer(words, where, b"", kept), where)


def over_ssh(host: str, options: Sequence[str] = (), python: str = "python3") -> Target:
    """Capture ``host`` (``[user@]name`` or a Host of ssh_config); ``options`` are additional ssh options.

    Raises CaptureError, InvalidBuilderError.
    """
    if not host or host.startswith("-") or not host.isprintable() or " " in host:
        raise CaptureError(repr(host), "that is no host: write USER@HOST or a Host of ssh_config")
    remote = shlex.join(["env", "LC_ALL=C.UTF-8", python, "-c", _BOOTSTRAP])
    words = ["ssh", "-oConnectTimeout=15", "-oServerAliveInterval=15", "-T", *options, "--", host, remote]
    return replace(capture.parse(_answer(words, host, package_zip(), dict(os.environ)), host), source=f"ssh:{host}")


def package_zip() -> bytes:
    """The modules of this package as a zip file that Python can import from."""
    top = Path(portage_ext.__file__).parent
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(top.rglob("*.py")):
            # All entries get a fixed date, so that two zip files of the same code have the same bytes.
            archive.writestr(zipfile.ZipInfo(f"portage_ext/{path.relative_to(top)}"), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return data.getvalue()


def _answer(words: Sequence[str], where: str, given: bytes, environment: dict[str, str]) -> bytes:
    """Run ``words`` with ``given`` on standard input and return the output. Raises CaptureError."""
    try:
        done = subprocess.run(
            words, input=given, capture_output=True, timeout=limits.CAPTURE_SECONDS, env=environment, check=False
        )
    except OSError as error:
        raise CaptureError(where, f"cannot run {words[0]} ({error.strerror})") from error
    except subprocess.TimeoutExpired as error:
        raise CaptureError(where, f"it did not answer within {limits.CAPTURE_SECONDS:.0f} s") from error
    if not done.stdout:
        said = " ".join(done.stderr[-limits.CAPTURE_SAID :].decode("utf-8", "replace").split())[-600:]
        raise CaptureError(where, f"{Path(words[0]).name} ended with status {done.returncode}: {said or 'it said nothing'}")
    return done.stdout


def _importable() -> str:
    """The PYTHONPATH with which a Python process that we start finds the same package and Portage as this process."""
    return os.pathsep.join(path for path in sys.path if path)


def _repositories(root: Path) -> str:
    """The repos.conf of ``root`` with the locations converted to paths on this host; empty if they are valid unchanged.

    The repos.conf of a chroot has the locations as seen inside the chroot. Portage reads a replacement for repos.conf from
    PORTAGE_REPOSITORIES (emerge(1)).
    """
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

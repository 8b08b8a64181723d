"""How a host is reached to be captured: a directory on this machine, or another machine over ssh.

Over ssh the whole package goes there on standard input, into memory (memfd_create(2)), and is read from there as a zip: the
host needs Portage and its Python, nothing is installed or written, and the code is the same on both sides. ssh is the
system's, with the keys and the configuration of whoever runs this; it may ask for a password.
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
from portage_ext import limits
from portage_ext.errors.builds import CaptureError
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
"""What a chroot that nobody has entered yet lacks, in a mount namespace that ends with the command."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REPOS_CONF: Final = ("usr/share/portage/config/repos.conf", "etc/portage/repos.conf")


def directory(root: Path) -> Target:
    """Capture the system below ``root``: by its own Portage in a chroot, or, where it has none, by this host's.

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
        environment["PORTAGE_OVERRIDE_EPREFIX"] = own  # a Portage that itself lives in a prefix
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
    """What the Portage of this process, or of a prefix, says in an environment that has nothing else of this one."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    kept |= {"LC_ALL": "C.UTF-8", "PYTHONPATH": _importable(), **environment}
    return capture.parse(_answer(words, where, b"", kept), where)


def over_ssh(host: str, options: Sequence[str] = (), python: str = "python3") -> Target:
    """Capture ``host`` (``[user@]name`` or a Host of ssh_config); ``options`` are further words for ssh.

    Raises CaptureError, InvalidBuilderError.
    """
    if not host or host.startswith("-") or not host.isprintable() or " " in host:
        raise CaptureError(repr(host), "that is no host: write USER@HOST or a Host of ssh_config")
    remote = shlex.join(["env", "LC_ALL=C.UTF-8", python, "-c", _BOOTSTRAP])
    words = ["ssh", "-oConnectTimeout=15", "-oServerAliveInterval=15", "-T", *options, "--", host, remote]
    return replace(capture.parse(_answer(words, host, package_zip(), dict(os.environ)), host), source=f"ssh:{host}")


def package_zip() -> bytes:
    """This package's modules as a zip that Python can import from."""
    top = Path(portage_ext.__file__).parent
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(top.rglob("*.py")):
            # A date of its own: those of this machine say nothing there, and two zips of the same code are the same bytes.
            archive.writestr(zipfile.ZipInfo(f"portage_ext/{path.relative_to(top)}"), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return data.getvalue()


def _answer(words: Sequence[str], where: str, given: bytes, environment: dict[str, str]) -> bytes:
    """What the other side printed. Raises CaptureError."""
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
    """Where a Python started by us finds this package and Portage, wherever this process has them from."""
    return os.pathsep.join(path for path in sys.path if path)


def _repositories(root: Path) -> str:
    """repos.conf of ``root`` with locations that hold below it; empty where they hold as they are.

    A chroot's repos.conf names locations as the chroot sees them. Portage takes another repos.conf from
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

"""This runs on the captured host, only reads, and prints one JSON document; it writes nothing there.

targets/reach starts it: for a directory with the Python of this process, or on another host with the whole package read from
standard input. So only Portage must be installed there. This is the only module of this room that imports Portage. It sends
only what targets/allowed permits.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from portage_ext import limits
from portage_ext.config.package_env import read_package_env
from portage_ext.errors.builds import CaptureError
from portage_ext.host.builder import builder_of
from portage_ext.limits import builds as bounds
from portage_ext.shown import line
from portage_ext.targets import allowed
from portage_ext.targets.capture import FORMAT

_INSTALLED = ("SLOT", "repository", "BUILD_ID", "BUILD_TIME", "USE", "CHOST")


def main() -> int:
    """Print the capture of this host, or the reason why it cannot be read. The exit status tells which."""
    try:
        document = collected()
    except (CaptureError, OSError, ValueError) as error:
        json.dump({"format": FORMAT, "error": line(str(error))}, sys.stdout)
        return 1
    json.dump(document, sys.stdout)
    return 0


def collected() -> dict[str, Any]:
    """The capture in the form that ``targets/capture.parse`` reads. Raises CaptureError, OSError."""
    import portage
    from portage.const import PORTAGE_BIN_PATH
    from portage.exception import PortageException

    try:
        settings = portage.settings
        root, eprefix = Path(settings["PORTAGE_CONFIGROOT"]), settings["EPREFIX"]
        installed = portage.db[settings["EROOT"]]["vartree"].dbapi
    except (PortageException, ValueError) as error:
        raise CaptureError("the configuration of Portage", " ".join(str(error).split())) from error
    # If Portage itself runs in a prefix, PORTAGE_CONFIGROOT already contains EPREFIX.
    config = Path(os.path.join(root, "etc/portage"))
    if not config.is_dir() and eprefix:
        config = Path(f"{eprefix}/etc/portage")
    if not config.is_dir():
        raise CaptureError(str(config), "it is not there: is this the root of a Gentoo system?")
    use_expand = [name for name in settings.get("USE_EXPAND", "").split() if allowed.is_use_expand(name)]
    return {
        "format": FORMAT,
        "taken": int(time.time()),
        "builder": json.loads(builder_of(settings, installed).emit()),
        "use_expand": sorted(use_expand),
        "make_conf": allowed.variables(settings.configdict["conf"], use_expand),
        "env_files": dict(_env_files(config, use_expand)),
        "profiles": [_below_repository(settings, path) for path in settings.profiles],
        "repositories": list(_repositories(settings)),
        "files": dict(_files(config, Path(settings["EROOT"]))),
        "installed": list(_installed(installed)),
        "eprefix": eprefix,
        "emerge": [sys.executable, os.path.join(PORTAGE_BIN_PATH, "emerge")],
    }


def system_packages() -> list[str]:
    """The names of the packages in @system, which the profile decides. Raises CaptureError."""
    import portage
    from portage.dep import Atom
    from portage.exception import PortageException

    try:
        return sorted({str(Atom(one.lstrip("*")).cp) for one in portage.settings.packages if one.startswith("*")})
    except (PortageException, ValueError) as error:
        raise CaptureError("the configuration of Portage", " ".join(str(error).split())) from error


def _files(config: Path, eroot: Path) -> Iterator[tuple[str, str]]:
    """Yield the path below the root and the content in base64 of each file that may be sent."""
    total = count = 0
    for top, prefix in ((config, "etc/portage"), (eroot / "var/lib/portage", "var/lib/portage")):
        for path in walk(top):
            name = f"{prefix}/{path.relative_to(top)}"
            if not allowed.is_allowed(name):
                continue
            data = path.read_bytes()
            total, count = total + len(data), count + 1
            if total > bounds.CAPTURE_BYTES or count > bounds.CAPTURE_FILES:
                raise CaptureError(str(top), f"its files are more than {bounds.CAPTURE_FILES}, or {bounds.CAPTURE_BYTES} bytes")
            yield name, base64.b64encode(data).decode("ascii")


def walk(top: Path) -> Iterator[Path]:
    """Yield the regular files below ``top``. Links to files are followed, as in Portage, and links to directories within
    limits."""
    for directory, names, files in os.walk(top, followlinks=True):
        depth = len(Path(directory).relative_to(top).parts)
        names[:] = sorted(name for name in names if not name.startswith(".")) if depth < 8 else []
        for name in sorted(files):
            path = Path(directory, name)
            if stat.S_ISREG(path.stat().st_mode) if path.exists() else False:
                yield path


def _env_files(config: Path, use_expand: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the env files that package.env names, each with its variables that may be sent."""
    from portage.util import getconfig

    named = {name for entry in read_package_env(config / "package.env") for name in entry.env_files}
    for name in sorted(named):
        values = getconfig(str(config / "env" / name), tolerant=True, allow_sourcing=True, expand=True)
        if values is not None:
            yield name, allowed.variables(values, use_expand)


def _below_repository(settings: Any, path: str) -> str:
    """A directory of the profile as ``repository:path``, or ``:path`` below the configuration's root."""
    real = os.path.realpath(path)
    for repository in settings.repositories:
        top = os.path.join(os.path.realpath(repository.location), "profiles", "")
        if real.startswith(top):
            return f"{repository.name}:{real[len(top) :]}"
    root = os.path.join(os.path.realpath(settings["PORTAGE_CONFIGROOT"]), "")
    return f":{real[len(root) :]}" if real.startswith(root) else ":etc/portage/profile"


def _repositories(settings: Any) -> Iterator[dict[str, Any]]:
    for repository in settings.repositories:
        yield {
            "name": repository.name,
            "location": repository.location,
            "masters": [master.name for master in repository.masters or ()],
            "priority": repository.priority or 0,
            "sync_type": repository.sync_type or "",
            "sync_uri": line(repository.sync_uri or ""),
            "commit": _commit(repository.location),
        }


def _commit(location: str) -> str:
    """The commit of a git checkout; empty for anything else. It is information only: local changes are not part of it."""
    if not os.path.isdir(os.path.join(location, ".git")):
        return ""
    words = ["git", "-c", f"safe.directory={location}", "-C", location, "rev-parse", "HEAD"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=limits.COMPILER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _installed(database: Any) -> Iterator[dict[str, str]]:
    for cpv in sorted(map(str, database.cpv_all())):
        values = dict(zip(_INSTALLED, database.aux_get(cpv, list(_INSTALLED)), strict=True))
        with open(database.getpath(cpv, filename="CONTENTS"), "rb") as file:
            contents = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
        yield {
            "cpv": cpv,
            "slot": values["SLOT"],
            "repository": values["repository"],
            "build_id": values["BUILD_ID"],
            "build_time": values["BUILD_TIME"],
            "use": " ".join(sorted(values["USE"].split())),
            "chost": values["CHOST"],
            "contents": contents,
        }


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # Builds wait for captures, and Python would free each object of Portage before it ends, which takes 0.02 s.
    os._exit(status)

"""nvchecker finds the newest release of each package. It runs as a separate process and prints one JSON object per line.

It has its own configuration file, in which each entry has the name ``category/name``.

::

    ["app-misc/keyd"]
    source = "github"
    github = "rvaiya/keyd"
    use_max_tag = true
    prefix = "v"
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from portage_ext import limits, shown
from portage_ext.errors import SettingsError
from portage_ext.errors.repositories import RepositoryError
from portage_ext.limits import repositories as bounds
from portage_ext.repositories.pick.wanted import is_cp

CONFIGURATION: Final = "etc/overlayman/nvchecker.toml"
"""The path of its configuration below PORTAGE_CONFIGROOT."""
_OWN: Final = "__config__"
_FOUND: Final = frozenset({"updated", "up-to-date"})


@dataclass(frozen=True, slots=True)
class Checked:
    """The newest version of each package as published, and for the other packages the reason why it is not known."""

    found: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def packages(configuration: Path) -> list[str]:
    """The packages with an entry in ``configuration``; none if the file does not exist. Raises SettingsError."""
    try:
        with configuration.open("rb") as file:
            data = file.read(limits.CONFIG_FILE_SIZE + 1)
        if len(data) > limits.CONFIG_FILE_SIZE:
            raise SettingsError(str(configuration), f"it is larger than {limits.CONFIG_FILE_SIZE} bytes")
        names = [name for name in tomllib.loads(data.decode()) if name != _OWN]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SettingsError(str(configuration), error.strerror or str(error)) from error
    except ValueError as error:
        raise SettingsError(str(configuration), f"it is no TOML ({error})") from error
    for name in names:
        if not is_cp(name):
            raise SettingsError(
                str(configuration), f'the entry {name!r} is not called after a package, such as ["app-misc/{name}"]'
            )
    return names


def checked(configuration: Path, only: str | None = None) -> Checked:
    """Run nvchecker for all entries of ``configuration`` or only for the entry ``only``. Raises RepositoryError."""
    command = [*_program(), "--logger", "json", "--file", str(configuration), *(("--entry", only) if only else ())]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=bounds.NVCHECKER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RepositoryError("nvchecker", str(error), "See what it does: nvchecker -c " + str(configuration)) from error
    found = read(done.stdout[: bounds.NVCHECKER_OUTPUT])
    if done.returncode and not found.found and not found.failed:
        said = shown.line(done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])
        raise RepositoryError(str(configuration), f"nvchecker: {said}", "Correct the file")
    return found


def _program() -> list[str]:
    """The command line of nvchecker: that of this Python, or else that in PATH. Raises RepositoryError."""
    if find_spec("nvchecker") is not None:
        return [sys.executable, "-m", "nvchecker"]
    if (path := shutil.which("nvchecker")) is not None:
        return [path]
    raise RepositoryError("nvchecker", "it is not installed", "Install dev-util/nvchecker (or: pip install portage-ext[bump])")


def read(output: bytes) -> Checked:
    """Parse the output of ``nvchecker --logger json``."""
    said = Checked()
    for line in output.splitlines():
        try:
            event = json.loads(line)
            name, what = event["name"], event["event"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if not isinstance(name, str) or not is_cp(name):
            continue
        if what in _FOUND and isinstance(event.get("version"), str):
            said.found[name] = event["version"]
            said.failed.pop(name, None)
        elif event.get("level") == "error" and name not in said.found:
            detail = f" ({event['error']})" if event.get("error") and what != "no-result" else ""
            said.failed.setdefault(name, shown.line(f"{what}{detail}"))
    return said

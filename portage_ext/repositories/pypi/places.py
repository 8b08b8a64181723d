"""The administrator configures the content of such a repository in one directory, by default ``/etc/overlayman/pypi``.

::

    packages         the list, or a directory of lists: NAME[EXTRA] with an optional ==V or <V, one per line
    names            packages with a name that differs from the project's, names of extras, needs of native code (names.py)
    confirmed        names that a person has confirmed; `portage-ext pypi confirm` adds to it
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from portage_ext import files, limits
from portage_ext.errors import SettingsError
from portage_ext.errors.pypi import InvalidNameError
from portage_ext.repositories.pypi.names import Names, normalised, parse_list, parse_names

DIRECTORY: Final = "etc/overlayman/pypi"
OPTION: Final = "sync-pypi-config"
"""The key of repos.conf that sets another directory."""
_CONFIRMED_HEAD: Final = "# Projects that may come in because another one needs them. `portage-ext pypi confirm` adds lines.\n"


def listed(directory: Path) -> dict[str, Requirement]:
    """Read the list. Raises SettingsError, also if it does not exist, because nobody wants an empty repository."""
    path = directory / "packages"
    parts = sorted(one for one in path.iterdir() if not one.name.startswith(".")) if path.is_dir() else [path]
    found: dict[str, Requirement] = {}
    for part in parts:
        found |= parse_list(_text(part), str(part))
    if not found:
        raise SettingsError(str(path), "it lists no project; write one NAME a line")
    return found


def names(directory: Path) -> Names:
    """Read the file ``names``. Raises SettingsError."""
    return parse_names(_text(directory / "names", optional=True), str(directory / "names"))


def confirmed(directory: Path) -> frozenset[str]:
    """Read the file ``confirmed``. Raises SettingsError."""
    path = directory / "confirmed"
    found = set()
    for number, line in enumerate(_text(path, optional=True).splitlines(), 1):
        if word := line.partition("#")[0].strip():
            try:
                found.add(normalised(word))
            except InvalidNameError as error:
                raise SettingsError(f"{path}, line {number}", str(error)) from error
    return frozenset(found)


def confirm(directory: Path, more: dict[str, str]) -> None:
    """Add names to ``confirmed``, each with its reason. Raises OSError, SettingsError."""
    path = directory / "confirmed"
    files.make_directory(directory)
    text = _text(path, optional=True) or _CONFIRMED_HEAD
    if not text.endswith("\n"):
        text += "\n"
    lines = "".join(f"{name}  # {' '.join(why.split())}\n" for name, why in sorted(more.items()))
    files.replace_file(path, (text + lines).encode())


def _text(path: Path, *, optional: bool = False) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(limits.CONFIG_FILE_SIZE + 1)
    except FileNotFoundError as error:
        if optional:
            return ""
        raise SettingsError(str(path), "there is no such file; it lists the projects, one NAME a line") from error
    except OSError as error:
        raise SettingsError(str(path), error.strerror or str(error)) from error
    if len(data) > limits.CONFIG_FILE_SIZE:
        raise SettingsError(str(path), f"it has more than {limits.CONFIG_FILE_SIZE} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), "it is no UTF-8") from error

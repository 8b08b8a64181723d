"""portage-ext setup: run the installer setup_hooks.sh, wherever pip, emerge or git put it, with the words as they are.

The installer is bash because it must also work where Python does not (docs/adr/0602). It reads its options itself.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Final

import portage_ext
from portage_ext.errors.here import InstallerMissingError

SCRIPT: Final = "setup_hooks.sh"
_USAGE: Final = re.compile(r"^  (--[a-z-]+)( [A-Z]\S*)? +(\S.*(?:\n {22}\S.*)*)$", re.M)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="OPTION", help="as `portage-ext setup --help` lists them")
    # No word is an option of this parser: all of them, --help too, are the installer's.
    parser.prefix_chars = ""


def run(options: argparse.Namespace) -> int:
    """The installer takes the place of this process, so its exit status and signals are its own."""
    script = installer()
    if script is None:
        raise InstallerMissingError(SCRIPT, str(_checkout().parent))
    sys.stdout.flush()
    os.execvpe("bash", ["bash", str(script), *options.words], {**os.environ, **_own_program()})


def _own_program() -> dict[str, str]:
    """The variable that tells the installer how this command was started, for units and cron; the installer can search, too.

    A program of python-exec(1) is of one Python, and goes with it: the one that calls it is meant.
    """
    path = os.path.abspath(sys.argv[0])
    ours = os.path.basename(path) == "portage-ext" and "/python-exec/" not in path
    return {"PORTAGE_EXT_PROGRAM": path} if ours else {}


def installer() -> Path | None:
    """The installer beside this checkout, else the one that was installed with this package."""
    if _checkout().is_file():
        return _checkout()
    try:
        installed = files("portage-ext") or ()
    except PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in installed if file.name == SCRIPT)
    return next((path.resolve() for path in found if path.is_file()), None)


def _checkout() -> Path:
    return Path(portage_ext.__file__).parents[1] / SCRIPT


@dataclass(frozen=True, slots=True)
class InstallerOption:
    """An option of the installer, as its help describes it."""

    name: str
    takes_value: bool
    help: str


def installer_options() -> Iterator[InstallerOption]:
    """The options in the installer's help, for completion; none where there is no installer."""
    script = installer()
    for name, value, text in _USAGE.findall(script.read_text(encoding="utf-8")) if script is not None else ():
        yield InstallerOption(name, bool(value), " ".join(text.split()))

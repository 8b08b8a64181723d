"""What emerge is asked, as its own configuration and its own parser understand it; whatever they refuse is one sentence."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from portage_ext.config import binrepos
from portage_ext.emerge import options
from portage_ext.errors import SettingsError, UsageError
from portage_ext.explain.verdict import Again
from portage_ext.host import here
from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.limits import SPOKEN_SIZE

EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("_emerge.actions:load_emerge_config"),
    Names("portage.package.ebuild.config:config.__init__", ("backupenv", "features")),
    *options.EXPECTED,
    *here.EXPECTED,
)
_PLACE: Final = re.compile(r'^"(.+)", line (\d+): (.*)$', re.M)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_OURS: Final = ("--pretend", "--nospinner", "--color=n")


@dataclass(frozen=True, slots=True)
class Asked:
    """``config`` is Portage's emerge_config with action, options and arguments; ``again`` repeats the question."""

    config: Any
    again: Again


def understood(words: Sequence[str]) -> Asked:
    """``words`` as emerge takes them, with EMERGE_DEFAULT_OPTS. Raises UsageError and SettingsError."""
    config = _configuration()
    settings = config.target_config.settings
    _check_binrepos(settings)
    asked = _parsed(words)[1]
    default: list[str] = []
    if "--ignore-default-opts" not in asked:
        try:
            default = shlex.split(settings.get("EMERGE_DEFAULT_OPTS", ""))
        except ValueError as error:
            raise SettingsError("EMERGE_DEFAULT_OPTS", str(error)) from error
    config.action, config.opts, config.args = _parsed([*default, *words, *_OURS])
    if config.action is not None or "--resume" in config.opts:
        raise UsageError("only what makes a merge list can be asked about: atoms, sets, and options for them")
    standing = _parsed(default)[1] if default else {}
    again = Again(options.deciding(asked), options.deciding(config.opts), frozenset(standing))
    return Asked(config, again)


def _configuration() -> Any:
    from _emerge import actions
    from portage.exception import PortageException

    said: list[str] = []
    try:
        with overheard(said):
            return actions.load_emerge_config()
    except (PortageException, ValueError) as error:  # shlex's ValueError: Portage has said file and line
        if place := _PLACE.search(said[0]):
            raise SettingsError(f"{place[1]}:{place[2]}", place[3]) from error
        raise SettingsError("the configuration of Portage", " ".join(str(error).split())) from error


def _check_binrepos(settings: Any) -> None:
    """Portage ends with a traceback at some mistakes in binrepos.conf; at the others it says so, and is heard later."""
    with overheard([]):
        repos = here.binrepos_of(settings)
    for repo in repos:
        try:
            urlsplit(repo.sync_uri).port  # noqa: B018 - it raises
        except ValueError as error:
            place = binrepos.place(Path(settings["PORTAGE_CONFIGROOT"]), repo.name, "sync-uri") or "PORTAGE_BINHOST"
            raise SettingsError(place, f"{repo.sync_uri} is not an address: {error}") from error


def _parsed(arguments: Sequence[str]) -> Any:
    from _emerge.main import parse_opts

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            return parse_opts(list(arguments))
    except SystemExit as error:
        lines = [line.strip("! ") for line in said.getvalue().split("\n") if line.strip()] or ["it does not say why"]
        # Its usage is a hundred lines, and the error the last.
        why = lines[-1].rpartition(": error: ")[2] if ": error: " in said.getvalue() else " ".join(lines)
        raise UsageError(f"emerge does not take {shlex.join(arguments)}: {why}") from error


@contextlib.contextmanager
def overheard(spoken: list[str]) -> Iterator[None]:
    """Take what this process and its children print; ``spoken`` gets the text when the block ends."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as file:
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)
            file.seek(0)
            # Portage colours some lines whatever --color says.
            spoken.append(_COLOUR.sub("", file.read(SPOKEN_SIZE).decode("utf-8", "replace")))

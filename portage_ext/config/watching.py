"""What portage-ext.toml says about looking at a running emerge (with a variable for one run), and at this host by figures.

::

    [watch]
    graph = true        # a picture of the merge list below emerge's own lines; default: false
    publish = true      # a running emerge writes what it does below /run/portage, for `portage-ext watch`

    [metrics]
    logs = ["/var/log/nginx/access.log"]        # of the web server, for `portage-ext metrics`
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from portage_ext.config.table import SETTINGS_FILE, Table, document
from portage_ext.errors import SettingsError
from portage_ext.limits import CONFIG_FILE_SIZE
from portage_ext.records import record, replace

VARIABLE: Final = "PORTAGE_EXT_GRAPH"
_TABLE: Final = "watch"


@record
class Watching:
    """``graph``: emerge draws; ``publish``: it writes for others to draw."""

    graph: bool = False
    publish: bool = True


@record
class Metrics:
    """``logs`` are access logs of the web server in the format "combined" or "common", for the bytes that it has served."""

    logs: tuple[Path, ...] = ()


def read_metrics(top: Table) -> Metrics:
    """The table [metrics] of the file. Raises SettingsError."""
    table = top.table("metrics")
    found = Metrics(tuple(map(Path, table.texts("logs"))))
    table.nothing_left()
    return found


def read(top: Table) -> Watching:
    """The table [watch] of the file. Raises SettingsError."""
    table = top.table(_TABLE)
    found = Watching(table.flag("graph", False), table.flag("publish", True))
    table.nothing_left()
    return found


def configured(config_root: Path, environment: Mapping[str, str]) -> Watching:
    """What holds for one run of emerge. Raises SettingsError."""
    found = _in_file(config_root / SETTINGS_FILE)
    word = environment.get(VARIABLE, "")
    if word not in ("", "0", "1"):
        raise SettingsError(VARIABLE, f"it is {word!r}, and can be 0 or 1")
    return replace(found, graph=word == "1") if word else found


def _in_file(path: Path) -> Watching:
    try:
        with path.open("rb") as file:
            text = file.read(CONFIG_FILE_SIZE).decode("utf-8", "replace")
    except FileNotFoundError:
        return Watching()
    except OSError as error:
        raise SettingsError(str(path), str(error)) from error
    # Only a file that says something of it pays for the parser.
    return read(Table({_TABLE: document(text, str(path)).get(_TABLE, {})}, "", str(path))) if _TABLE in text else Watching()

"""What portage-ext.toml says about snapshots before an emerge changes the system.

::

    [snapshot]
    policy = "warn"     # emerge goes on if the snapshot fails; "refuse": it stops; "off", the default: no snapshots
    with = "auto"       # or "snapper", "btrfs", "zfs", "lvm"
    keep = 10           # older snapshots of portage-ext are removed (snapper keeps as its own configuration says)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext.config.table import SETTINGS_FILE, Table, document
from portage_ext.errors import SettingsError
from portage_ext.limits import CONFIG_FILE_SIZE

WARN, REFUSE, OFF = "warn", "refuse", "off"
AUTO: Final = "auto"
MAKERS: Final = ("snapper", "btrfs", "zfs", "lvm")
_TABLE: Final = "snapshot"


@dataclass(frozen=True, slots=True)
class Snapshotting:
    """``maker`` is one of MAKERS, or AUTO for the one that fits this system."""

    policy: str = OFF
    maker: str = AUTO
    keep: int = 10


def read(top: Table) -> Snapshotting:
    """The table [snapshot] of the file. Raises SettingsError."""
    table = top.table(_TABLE)
    policy, maker = table.text("policy") or OFF, table.text("with") or AUTO
    if policy not in (WARN, REFUSE, OFF):
        raise table.wrong("policy", f'one of "{WARN}", "{REFUSE}", "{OFF}"')
    if maker not in (AUTO, *MAKERS):
        raise table.wrong("with", ", ".join(f'"{one}"' for one in (AUTO, *MAKERS)))
    found = Snapshotting(policy, maker, int(table.number("keep", 10, 1, 1000)))
    table.nothing_left()
    return found


def configured(config_root: Path) -> Snapshotting:
    """What holds for a run of emerge. Only a file that says something of it pays for the parser. Raises SettingsError."""
    path = config_root / SETTINGS_FILE
    try:
        with path.open("rb") as file:
            text = file.read(CONFIG_FILE_SIZE).decode("utf-8", "replace")
    except FileNotFoundError:
        return Snapshotting()
    except OSError as error:
        raise SettingsError(str(path), error.strerror or str(error)) from error
    if _TABLE not in text:
        return Snapshotting()
    return read(Table({_TABLE: document(text, str(path)).get(_TABLE, {})}, "", str(path)))

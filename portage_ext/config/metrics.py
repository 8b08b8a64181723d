"""What portage-ext.toml says about figures for a monitoring system.

::

    [metrics]
    logs = ["/var/log/nginx/access.log"]        # logs of the web server, for the bytes that it has served
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from portage_ext.config.table import Table


@dataclass(frozen=True, slots=True)
class Metrics:
    """``logs`` are access logs in the format "combined" or "common"."""

    logs: tuple[Path, ...] = ()


def read(top: Table) -> Metrics:
    """The table [metrics] of the file. Raises SettingsError."""
    table = top.table("metrics")
    found = Metrics(tuple(map(Path, table.texts("logs"))))
    table.nothing_left()
    return found

"""What portage-ext.toml says about a swarm of builders.

::

    [swarm]
    listen = "0.0.0.0:9989"    # where builders dial in
    metrics = 0                # a port of 127.0.0.1 for Prometheus and a page of what waits; 0: none
    web = 0                    # a port of 127.0.0.1 for Buildbot's web page; 0: none
    web-url = "https://builds.example/"   # where a proxy offers that page; without it: the port itself
    buildbot = "/opt/buildbot" # the virtual environment with Buildbot; without it: the one on PATH
    free-disk-mib = 2048       # a builder with less free disk takes no job
    wait-seconds = 60          # how long a builder that is stopped lets its build go on
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from portage_ext.config.table import Table
from portage_ext.limits import GIB, MIB
from portage_ext.records import record

_URL: Final = re.compile(r"https?://[A-Za-z0-9._~:/\[\]%-]+/")
FREE_DISK: Final = 2 * GIB
"""The default of free-disk-mib in bytes: a builder with less free disk takes no job."""


@record
class Swarm:
    """Address and port of the coordinator, the ports of its metrics and of Buildbot's page (0: none), where a proxy offers that
    page (empty: nowhere), where Buildbot is (None: on PATH)."""

    address: str = "0.0.0.0"
    port: int = 9989
    metrics: int = 0
    buildbot: Path | None = None
    free_disk: int = FREE_DISK
    wait: float = 60.0
    web: int = 0
    web_url: str = ""

    @property
    def page(self) -> str:
        """The URL of Buildbot's web page; empty if there is none."""
        return (self.web_url or f"http://127.0.0.1:{self.web}/") if self.web else ""


def read(top: Table) -> Swarm:
    """The table [swarm] of the file. Raises SettingsError."""
    table = top.table("swarm")
    address, _, port = (table.text("listen") or "0.0.0.0:9989").rpartition(":")
    address = address.strip("[]")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16 or not address or not address.isprintable():
        raise table.wrong("listen", "an address and a port, such as 0.0.0.0:9989")
    place = table.text("buildbot")
    found = Swarm(
        address,
        int(port),
        int(table.number("metrics", 0, 0, 2**16 - 1)),
        Path(place) if place else None,
        int(table.number("free-disk-mib", FREE_DISK // MIB, 0, 2**30)) * MIB,
        table.number("wait-seconds", 60, 0, 86400),
        int(table.number("web", 0, 0, 2**16 - 1)),
        table.text("web-url") or "",
    )
    if found.web_url and not _URL.fullmatch(found.web_url):
        raise table.wrong("web-url", "a URL of http or https, such as https://builds.example/")
    table.nothing_left()
    return found

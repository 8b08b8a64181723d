"""What portage-ext.toml says about asking for builds: [ask] on a client, [client.NAME] and [door] on the host that builds.

::

    [ask]                               # on the client
    where = "ssh://portage@coordinator" # or https://coordinator:8443, or "local" for a service on this host
    target = "laptop"                   # the target there that this host is
    client = "laptop"                   # with where = "local": who asks; default: target
    options = ["-i", "/etc/portage/ask_key"]    # further words for ssh
    patience = 2                        # seconds until a service that does not answer counts as down
    deadline-minutes = 240              # so long does BUILD_ON_MISS="wait" wait
    certificate = "/etc/portage/ask.pem"    # with https: what this host shows
    key = "/etc/portage/ask.key"
    server = "0123…"                    # with https: SHA-256 of the certificate of the service; default: a known authority

    [client.laptop]                     # on the service; the key of the client runs `portage-ext door --client laptop`
    targets = ["laptop"]                # what it may ask for
    queued = 500                        # packages that are not built yet
    running = 50                        # packages in the queue of the builders at once
    build-hours-a-day = 24
    mib-a-day = 20480                   # packages that were built for it
    requests-a-minute = 60              # and as many at once
    batch = 2000                        # packages of one request
    certificate = "/etc/portage/clients/laptop.pem"     # what it shows to the service over https

    [door]                              # the service over https
    listen = "0.0.0.0:8443"
    certificate = "/etc/ssl/door.pem"   # default: the one that `portage-ext door --setup` makes
    key = "/etc/ssl/door.key"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from portage_ext.config.table import Table, whole
from portage_ext.errors import SettingsError
from portage_ext.limits import MIB
from portage_ext.limits.builds import ASK_BATCH

LOCAL: Final = "local"
HTTPS: Final = "https"
PORT: Final = 8443
"""The port of the service over https."""
_WHERE: Final = '"local", ssh://[user@]host[:port] or https://host[:port]'
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+-]{0,63}")


@dataclass(frozen=True, slots=True)
class Asking:
    """The service that this host asks: ``host`` and ``port`` for ssh and https. Times in seconds.

    ``certificate`` and ``key`` are what this host shows with https. ``server`` is the fingerprint of the certificate of the
    service (SHA-256 of its DER form, lower-case hexadecimal digits); if it is empty, an authority must have signed it.
    """

    where: str
    target: str
    client: str
    host: str = ""
    port: int | None = None
    options: tuple[str, ...] = ()
    patience: float = 2.0
    deadline: float = 240 * 60.0
    certificate: str = ""
    key: str = ""
    server: str = ""

    @property
    def transport(self) -> str:
        """``local``, ``ssh`` or ``https``."""
        return self.where.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Door:
    """Where the service listens for https, and its certificate (None: the one that `portage-ext door --setup` makes)."""

    address: str = "0.0.0.0"
    port: int = PORT
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """What one client may do: its targets and its quotas. ``seconds`` and ``size`` are for one day.

    ``certificate`` is the file with its certificate for https; without it, the client can only come over ssh.
    """

    name: str
    targets: tuple[str, ...]
    queued: int = 500
    running: int = 50
    seconds: float = 86400.0
    size: int = 20480 * MIB
    requests: float = 60.0
    batch: int = ASK_BATCH
    certificate: Path | None = None


def read(top: Table) -> Asking | None:
    """The table [ask]; None where it is missing. Raises SettingsError."""
    if not top.has("ask"):
        return None
    table = top.table("ask")
    where, target = table.text("where"), table.text("target")
    if where is None or target is None:
        raise table.wrong("where" if where is None else "target", "given; [ask] needs where and target")
    host, port = _place(where, table)
    found = Asking(
        where,
        target,
        table.text("client") or target,
        host,
        port,
        table.texts("options"),
        table.number("patience", 2, 0.1, 600),
        table.number("deadline-minutes", 240, 0.01, 100_000) * 60,
        table.text("certificate") or "",
        table.text("key") or "",
        (table.text("server") or "").replace(":", "").lower(),
    )
    table.nothing_left()
    if found.transport == HTTPS:
        _check_https(found, table)
    elif found.certificate or found.key or found.server:
        raise table.wrong("where", "https://host[:port], and certificate, key and server are only for that")
    return found


def _check_https(asking: Asking, table: Table) -> None:
    for name, value in (("certificate", asking.certificate), ("key", asking.key)):
        if not value:
            raise table.wrong(name, "given; with https:// this host shows a certificate")
    if asking.server and not _FINGERPRINT.fullmatch(asking.server):
        raise table.wrong("server", "a fingerprint (SHA-256, 64 hexadecimal digits)")
    if asking.options:
        raise table.wrong("options", "empty; they are words for ssh")


def _place(where: str, table: Table) -> tuple[str, int | None]:
    """Host (with user) and port of ``where``."""
    if where == LOCAL:
        return "", None
    try:
        parts = urlsplit(where)
        port = parts.port
    except ValueError:
        raise table.wrong("where", _WHERE) from None
    host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc
    plain = parts.scheme in ("ssh", HTTPS) and not parts.path.strip("/") and not parts.query and not parts.password
    if not plain or not parts.hostname or host.startswith("-") or not host.isprintable() or " " in host:
        raise table.wrong("where", _WHERE)
    if parts.scheme == HTTPS:
        if parts.username is not None:
            raise table.wrong("where", _WHERE)
        port = port or PORT
    return host.replace("[", "").replace("]", ""), port


def read_door(top: Table) -> Door:
    """The table [door]. Raises SettingsError."""
    table = top.table("door")
    address, _, port = (table.text("listen") or f"0.0.0.0:{PORT}").rpartition(":")
    address = address.strip("[]")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16 or not address or not address.isprintable():
        raise table.wrong("listen", f"an address and a port, such as 0.0.0.0:{PORT}")
    certificate, key = table.text("certificate"), table.text("key")
    if (certificate is None) != (key is None):
        raise table.wrong("key" if key is None else "certificate", "given; certificate and key belong together")
    table.nothing_left()
    return Door(address, int(port), Path(certificate) if certificate else None, Path(key) if key else None)


def read_clients(top: Table) -> Mapping[str, Client]:
    """The tables [client.NAME]. Raises SettingsError."""
    tables = top.table("client")
    return {name: _client(name, tables.table(name)) for name in tables.names()}


def client(config_root: Path, name: str) -> Client | None:
    """[client.NAME] of the file below ``config_root``, without a look at its other tables. Raises SettingsError."""
    top = whole(config_root)
    return None if top is None else read_clients(top).get(name)


def service(config_root: Path) -> tuple[Door, Mapping[str, Client]]:
    """[door] and all clients of the file below ``config_root``, without a look at its other tables. Raises SettingsError."""
    top = whole(config_root)
    return (Door(), {}) if top is None else (read_door(top), read_clients(top))


def _client(name: str, table: Table) -> Client:
    if not _NAME.fullmatch(name):
        raise SettingsError(table.path, f"[{table.name}] is no name of a client: letters, digits and _ + - only")
    targets = table.texts("targets")
    if not targets:
        raise table.wrong("targets", "a list with at least one target")
    found = Client(
        name,
        targets,
        int(table.number("queued", 500, 1, 1_000_000)),
        int(table.number("running", 50, 1, 1_000_000)),
        table.number("build-hours-a-day", 24, 0, 1_000_000) * 3600,
        int(table.number("mib-a-day", 20480, 0, 1_000_000_000)) * MIB,
        table.number("requests-a-minute", 60, 1, 1_000_000),
        int(table.number("batch", ASK_BATCH, 1, ASK_BATCH)),
        Path(certificate) if (certificate := table.text("certificate")) else None,
    )
    table.nothing_left()
    return found

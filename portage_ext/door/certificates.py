"""A client over https is known by the fingerprint of its certificate, which [client.NAME] names; no authority vouches for it.

The list is read again as soon as one of its files changes, also in an open connection. If it cannot be read, nobody gets in.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from portage_ext.config import asking
from portage_ext.config.asking import Client, Door
from portage_ext.errors.asking import DoorError
from portage_ext.limits import builds as limits
from portage_ext.swarm import certificate

DIRECTORY: Final = "var/lib/portage-ext/door"
"""Below EROOT: the certificate that ``make`` makes."""
_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def own(door: Door, eroot: Path) -> tuple[Path, Path]:
    """The files with the certificate and the key of the service."""
    directory = eroot / DIRECTORY
    return door.certificate or directory / "cert.pem", door.key or directory / "key.pem"


def make(eroot: Path) -> str:
    """Make a certificate for the service unless there is one, and return its fingerprint. Raises SwarmError, OSError."""
    directory = eroot / DIRECTORY
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate.make(directory)
    return certificate.fingerprint(directory / "cert.pem")


@dataclass(frozen=True, slots=True)
class Known:
    """``context`` accepts the certificates of clients; ``names`` has their clients by fingerprint."""

    context: ssl.SSLContext
    names: Mapping[str, str]
    clients: Mapping[str, Client]

    def client(self, data: bytes | None) -> Client | None:
        """The client that has this certificate (DER); None if it is nobody's."""
        name = self.names.get(hashlib.sha256(data).hexdigest()) if data else None
        return None if name is None else self.clients[name]


def read(door: Door, clients: Mapping[str, Client], eroot: Path) -> Known:
    """Read the certificates of the service and of ``clients``. Raises DoorError."""
    names: dict[str, str] = {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    # A certificate that the list names is accepted; it does not matter who signed it.
    # Without tickets, each connection shows its certificate.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    for client in clients.values():
        if client.certificate is None:
            continue
        for text in _certificates(client.certificate):
            data = ssl.PEM_cert_to_DER_cert(text)
            try:
                context.load_verify_locations(cadata=data)
            except ssl.SSLError as error:
                raise DoorError(f"{client.certificate} has a damaged certificate ({error.reason})", "Copy it again.") from error
            other = names.setdefault(hashlib.sha256(data).hexdigest(), client.name)
            if other != client.name:
                raise DoorError(
                    f"the clients {other} and {client.name} have the same certificate, {client.certificate}",
                    "Each client needs a certificate of its own.",
                )
    if not names:
        raise DoorError(
            "no client has a certificate", "Add `certificate` with the file of the client's certificate to [client.NAME]."
        )
    mine, key = own(door, eroot)
    try:
        context.load_cert_chain(mine, key)
    except OSError as error:
        raise DoorError(
            f"the certificate of the service cannot be used: {mine}, {key}: {error.strerror or error}",
            "Run `portage-ext door --setup`, or mend certificate and key in [door].",
        ) from error
    return Known(context, names, clients)


@dataclass(slots=True)
class Register:
    """The clients as the files below ``config_root`` have them now."""

    config_root: Path
    eroot: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _made_of: object = None
    _known: Known | None = None

    def now(self) -> Known:
        """Raises DoorError, SettingsError."""
        door, clients = asking.service(self.config_root)
        files = [one.certificate for one in clients.values() if one.certificate is not None]
        made_of = (door, clients, _stamps([*own(door, self.eroot), *files]))
        with self._lock:
            if self._known is None or self._made_of != made_of:
                self._known = None
                self._known, self._made_of = read(door, clients, self.eroot), made_of
            return self._known


def _stamps(paths: Iterable[Path]) -> list[tuple[int, int, int]]:
    """What changes with the files; the time of the last change of an inode cannot be set back."""
    found = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_ino, status.st_size, status.st_ctime_ns))
    return found


def _certificates(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            text = file.read(limits.DOOR_CERTIFICATES).decode("ascii", "replace")
    except OSError as error:
        raise DoorError(f"{path} cannot be read ({error.strerror})", "Copy the certificate of the client there.") from error
    found = _BLOCK.findall(text)
    if not found:
        raise DoorError(f"{path} has no certificate in PEM form", "Copy the certificate of the client there, not its key.")
    return list(found)

"""The certificate of a coordinator is self-signed, and builders identify it only by its fingerprint.

Its name is always the same, so a coordinator keeps it when its address changes. No certificate authority can replace it.
"""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.errors.swarm import CertificateError, SwarmError
from portage_ext.limits import swarm as bounds

NAME: Final = "coordinator.portage-ext"
"""The name in the certificate, which builders expect. It does not exist in DNS."""
_DAYS: Final = 20 * 365


def make(directory: Path) -> None:
    """Create ``key.pem`` and ``cert.pem`` in ``directory`` unless they exist. Raises SwarmError, OSError."""
    key, certificate = directory / "key.pem", directory / "cert.pem"
    if key.exists() and certificate.exists():
        return
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-days", str(_DAYS), "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    words += ["-keyout", str(key), "-out", str(certificate)]
    old = os.umask(0o077)
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SwarmError("openssl is not installed", "Install dev-libs/openssl.") from error
    finally:
        os.umask(old)
    if done.returncode:
        raise SwarmError(f"openssl cannot make a certificate: {' '.join(done.stderr.split())[-300:]}", "Mend that first.")
    files.sync_directory(directory)


def fingerprint(path: Path) -> str:
    """The SHA-256 of the certificate in the file ``path``. Raises OSError."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text(encoding="ascii"))).hexdigest()


def fetch(host: str, port: int, wanted: str) -> str:
    """Fetch the certificate (PEM) of the server at this address. It must have the fingerprint ``wanted``.

    Only the TLS handshake is done, and no other data is sent. Raises CertificateError, SwarmError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # No authority has signed the certificate. Its fingerprint is checked below instead.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), bounds.CONNECT) as plain:
            with context.wrap_socket(plain, server_hostname=NAME) as connection:
                data = connection.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise SwarmError(
            f"cannot reach the coordinator at {host}:{port} ({error.strerror or error})",
            "Check the address, and that `portage-ext coordinator run` runs there and no firewall is between.",
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != wanted:
        raise CertificateError(f"{host}:{port}", found, wanted)
    return ssl.DER_cert_to_PEM_cert(data)

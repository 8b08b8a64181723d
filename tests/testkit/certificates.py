"""Certificates of clients, made with the command that docs/asking.md tells."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

COMMAND = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650"
"""What the document has, before the names of the client and of the files."""


def new_certificate(directory: Path, name: str, *more: str) -> tuple[Path, Path]:
    """The certificate of the client ``name`` and its key, in ``directory``."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    words = [*shlex.split(COMMAND), "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(certificate), *more]
    subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return certificate, key

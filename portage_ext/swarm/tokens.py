"""A token lets one machine join as a builder: it has the name, the secret, and the fingerprint of the coordinator's
certificate.

The builder checks the fingerprint first, so it never sends its secret to another server. A token is one line::

    portage-ext-builder-1 NAME SECRET FINGERPRINT
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext.errors import UsageError
from portage_ext.errors.swarm import TokenError
from portage_ext.limits import swarm as bounds

FORMAT: Final = "portage-ext-builder-1"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{32,128}")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Token:
    """``fingerprint`` is the SHA-256 of the certificate (DER), in lower-case hexadecimal digits."""

    name: str
    secret: str
    fingerprint: str

    def emit(self) -> str:
        return f"{FORMAT} {self.name} {self.secret} {self.fingerprint}\n"


def checked_name(name: str) -> str:
    """Return ``name`` if it is a valid name for a builder. Raises UsageError otherwise."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a builder: lower-case letters, digits and - only")
    return name


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def read(path: Path) -> Token:
    """Read the token in the file ``path``, which no other user may be able to read. Raises TokenError."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise TokenError(str(path), f"other users may read this token; run `chmod 600 {path}`")
            text = file.read(bounds.TOKEN).decode("ascii", "replace")
    except OSError as error:
        raise TokenError(str(path), f"cannot be read ({error.strerror})") from error
    words = text.split()
    if len(words) != 4 or words[0] != FORMAT:
        raise TokenError(str(path), "this is no token of a builder")
    name, secret, fingerprint = words[1:]
    if not (_NAME.fullmatch(name) and _SECRET.fullmatch(secret) and _FINGERPRINT.fullmatch(fingerprint)):
        raise TokenError(str(path), "this token is damaged")
    return Token(name, secret, fingerprint)

"""Documents that belong to a release as a whole: the header of the index binds each by its digests, and the signed Release
binds the index."""

from __future__ import annotations

import hashlib
import re
from typing import Final

CONFIG: Final = "config.json"
HEADERS: Final = {CONFIG: "CONFIG"}
"""The name of each document below the release, and the key in the index header that binds it."""
_BOUND: Final = re.compile(r"([a-z.]+) (0|[1-9][0-9]{0,9}) BLAKE2B [0-9a-f]{128} SHA512 [0-9a-f]{128}")


def binding(name: str, data: bytes) -> str:
    """The value of the index header for the document ``name`` with these bytes."""
    return f"{name} {len(data)} BLAKE2B {hashlib.blake2b(data).hexdigest()} SHA512 {hashlib.sha512(data).hexdigest()}"


def bound_size(name: str, text: str) -> int | None:
    """The size in bytes that a header announces for ``name``; None if the header is not a binding of it."""
    match = _BOUND.fullmatch(text)
    return int(match[2]) if match is not None and match[1] == name else None

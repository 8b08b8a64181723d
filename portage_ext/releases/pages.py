"""Where the pages of a release are, and how its index binds them. portage_ext/pages writes them."""

from __future__ import annotations

import hashlib
from typing import Final

HEADER: Final = "PAGES"
"""The key in the index header that binds the pages; the Release binds the index, as for builder.json."""
DIRECTORY: Final = "pages"
SUMS: Final = "B2SUMS"
STATE: Final = ".pages.json"
"""Beside them, for the next writer alone: no client asks for it, no server shows it, and no mirror needs it."""
NONE: Final = "none"
"""The value of the header if pages were wanted and could not be written."""


def binding(sums: bytes) -> str:
    """The value of the index header for a B2SUMS with these bytes."""
    digests = f"BLAKE2B {hashlib.blake2b(sums).hexdigest()} SHA512 {hashlib.sha512(sums).hexdigest()}"
    return f"{DIRECTORY}/{SUMS} {len(sums)} {digests}"

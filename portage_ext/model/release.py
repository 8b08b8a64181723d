"""A Release: what a binhost promises about one published index. Only the value; trust/ reads and checks it."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from portage_ext.records import record

FINGERPRINT: Final = re.compile(r"[0-9A-F]{40}(?:[0-9A-F]{24})?")
"""A whole OpenPGP fingerprint, of version 4 or 5."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""The name of a repository or channel."""
DIGEST: Final = re.compile(r"[0-9a-f]{128}")
"""BLAKE2B or SHA512, in hex."""
POOL: Final = "pool"
"""Where the packages of all releases of a tree are, beside its channels."""
PLAIN_FORM = "Packages"
INDEX_FORMS = ("Packages.zst", "Packages.gz", PLAIN_FORM)
"""Forms of the index, the one to prefer first."""


@record
class IndexFile:
    """One form of the index: its file name, size in bytes, and digests in lower-case hex."""

    name: str
    size: int
    blake2b: str
    sha512: str


@record
class Release:
    """One published state of a repository. Times are seconds since the epoch; fingerprints are upper-case hex.

    ``keys_next`` are the primary keys that may sign later Releases; empty means "no change".
    """

    repository: str
    channel: str
    version: int
    created: int
    expires: int
    keys_next: tuple[str, ...]
    files: tuple[IndexFile, ...]

    @property
    def plain(self) -> IndexFile:
        """The uncompressed index, which every Release names."""
        return self.form(PLAIN_FORM)

    def form(self, name: str) -> IndexFile:
        """The form called ``name``. Raises KeyError when the Release does not name it."""
        for file in self.files:
            if file.name == name:
                return file
        raise KeyError(name)


CONFIG: Final = "config.json"
BILL: Final = "sbom.cdx.json"
PROVENANCE: Final = "provenance.jsonl"
DOCUMENTS: Final = {CONFIG: "CONFIG", BILL: "SBOM", PROVENANCE: "PROVENANCE"}
"""The documents that belong to a release as a whole, and for each the key in the index header that binds it. The signed Release
binds the index."""
DELTAS: Final = "DELTAS"
"""The key in the index header that binds deltas.json (model/delta)."""
_BOUND: Final = re.compile(r"([a-z.]+) (0|[1-9][0-9]{0,9}) BLAKE2B [0-9a-f]{128} SHA512 [0-9a-f]{128}")


def binding(name: str, data: bytes) -> str:
    """The value of the index header for the document ``name`` with these bytes."""
    return f"{name} {len(data)} BLAKE2B {hashlib.blake2b(data).hexdigest()} SHA512 {hashlib.sha512(data).hexdigest()}"


def bound_size(name: str, text: str) -> int | None:
    """The size in bytes that a header announces for ``name``; None if the header is not a binding of it."""
    match = _BOUND.fullmatch(text)
    return int(match[2]) if match is not None and match[1] == name else None

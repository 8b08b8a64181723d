"""An md5-cache entry is valid while the ebuild and every eclass that it inherits have the digests in the entry.

This is Portage's own rule (portage.cache.flat_hash, md5-dict). With a valid entry, the ebuild need not be run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

KEYS: Final = (
    "BDEPEND", "DEFINED_PHASES", "DEPEND", "DESCRIPTION", "EAPI", "HOMEPAGE", "IDEPEND", "INHERIT", "IUSE", "KEYWORDS",
    "LICENSE", "PDEPEND", "PROPERTIES", "RDEPEND", "REQUIRED_USE", "RESTRICT", "SLOT", "SRC_URI",
)  # fmt: skip
"""The keys that an entry may have beside the digests."""
DEPENDENCIES: Final = ("BDEPEND", "DEPEND", "IDEPEND", "PDEPEND", "RDEPEND")
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_ECLASS: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of an ebuild: its values, its digest, and the digests by name of all eclasses that it inherits directly or
    indirectly."""

    values: Mapping[str, str]
    md5: str
    eclasses: Mapping[str, str]

    def __getitem__(self, key: str) -> str:
        return self.values.get(key, "")


def path(cpv: str) -> str:
    """The path of the entry of ``category/name-version`` in a repository."""
    return f"metadata/md5-cache/{cpv}"


def md5(data: bytes) -> str:
    """The MD5 digest as in md5-cache."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def parse(text: str) -> Metadata | None:
    """Parse an entry; None if it is not valid."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if not equals:
            return None
        values[key] = value
    digest = values.get("_md5_", "")
    words = values["_eclasses_"].split("\t") if values.get("_eclasses_") else []
    if not _MD5.fullmatch(digest) or len(words) % 2:
        return None
    eclasses = dict(zip(words[::2], words[1::2], strict=True))
    if not all(_ECLASS.fullmatch(name) and _MD5.fullmatch(value) for name, value in eclasses.items()):
        return None
    return Metadata({key: value for key, value in values.items() if key in KEYS}, digest, eclasses)


def emit(entry: Metadata) -> bytes:
    """The text of an entry."""
    values = {key: value for key, value in entry.values.items() if key in KEYS and value}
    if entry.eclasses:
        values["_eclasses_"] = "\t".join(f"{name}\t{digest}" for name, digest in sorted(entry.eclasses.items()))
    values["_md5_"] = entry.md5
    return "".join(f"{key}={' '.join(value.split(chr(10)))}\n" for key, value in sorted(values.items())).encode()


def is_valid(entry: Metadata, ebuild: bytes, eclasses: Mapping[str, str]) -> bool:
    """Whether ``entry`` is valid for this ``ebuild``. ``eclasses`` has the digest of every eclass that it could inherit."""
    return entry.md5 == md5(ebuild) and all(eclasses.get(name) == digest for name, digest in entry.eclasses.items())


def is_eclass(name: str) -> bool:
    """Whether ``name`` can be the name of an eclass (PMS 3.1.6)."""
    return _ECLASS.fullmatch(name) is not None

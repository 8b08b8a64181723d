"""Portage gets only the consistent entries of a foreign index, and nothing that makes it fetch from another place.

The path of an entry must be a path where Portage itself would store the package that the entry names (bintree.getname). So an
entry cannot make emerge fetch one package under the name of another, or write outside the package directory. URI and TTL are
removed from the header, fetch commands from the entries. We set TIMESTAMP ourselves, because Portage replaces its copy only
with an index that has a newer one. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from portage_ext import limits
from portage_ext.errors import InvalidCpvError, InvalidEntryError
from portage_ext.errors.trust import (
    EntryIdentityError,
    ForeignUriError,
    IndexClockError,
    TrustError,
    UnsafePathError,
    WeakDigestError,
)
from portage_ext.index import keys
from portage_ext.model import STRONG, WEAK, Cpv, IndexEntry
from portage_ext.records import record

_PATH: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9+_.-]*){1,2}", re.ASCII)
_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_HEX: Final = {name: re.compile(rf"[0-9A-Fa-f]{{{length}}}") for name, length in (("MD5", 32), ("SHA1", 40))} | {
    name: re.compile(r"[0-9A-Fa-f]{128}") for name in STRONG
}
_SUFFIXES: Final = (".gpkg.tar", ".xpak", ".tbz2")


@record
class Sanitised:
    """An index that Portage may use: header values, text and number of the entries, and why others were left out."""

    header: Mapping[str, str]
    body: bytes
    count: int
    left_out: tuple[TrustError, ...]

    def text(self, timestamp: int) -> bytes:
        """The text of the whole index with ``timestamp`` (seconds since the epoch) as its TIMESTAMP."""
        header = {**self.header, "TIMESTAMP": str(timestamp), "PACKAGES": str(self.count)}
        lines = "".join(f"{key}: {header[key]}\n" for key in sorted(header))
        return lines.encode("utf-8", "replace") + b"\n" + self.body


def sanitise(binrepo: str, header: Mapping[str, str], entries: Iterable[IndexEntry], *, strong: bool) -> Sanitised:
    """Leave out every entry whose path does not match the package it names; with ``strong``, also entries with neither BLAKE2B
    nor SHA512."""
    kept: list[bytes] = []
    left_out: list[TrustError] = []
    paths: set[str] = set()
    for number, entry in enumerate(entries):
        if number >= limits.MAX_INDEX_ENTRIES:
            left_out.append(EntryIdentityError(binrepo, f"the index has more than {limits.MAX_INDEX_ENTRIES} entries"))
            break
        try:
            check_entry(binrepo, entry, strong=strong)
            if entry.path in paths:
                raise EntryIdentityError(binrepo, f"two entries of the index share the path {entry.path}")
            text = _text(entry)
            if len(text) >= limits.INDEX_ENTRY_SIZE:
                # Without this error, one oversized entry would make emerge ignore the whole binhost.
                raise EntryIdentityError(binrepo, f"the entry of {entry.path} has {len(text)} bytes")
        except TrustError as error:
            left_out.append(error)
            continue
        paths.add(entry.path)
        kept.append(text)
    clean = {key: value for key, value in header.items() if value and keys.describes_builder(key) and _plain(key, value)}
    return Sanitised(clean, b"".join(kept), len(kept), tuple(left_out))


def check_header(binrepo: str, header: Mapping[str, str], bases: Collection[str], now: int) -> int:
    """Return the TIMESTAMP of the index, in seconds since the epoch; ``now`` has the same unit.

    Raises ForeignUriError for a URI outside ``bases``, IndexClockError for a time that is impossible or that would stop Portage
    from fetching the index again.
    """
    uri = header.get("URI", "")
    if uri and not any(uri.rstrip("/") == base or uri.startswith(f"{base}/") for base in bases):
        shown = f"{urlsplit(uri).scheme}://{urlsplit(uri).hostname}" if _parses(uri) else "no URL at all"
        raise ForeignUriError(binrepo, f"its index sends readers to another place ({shown})")
    ttl = header.get("TTL", "0")
    if not (ttl.isascii() and ttl.isdigit() and len(ttl) < 10) or int(ttl) > limits.MAX_INDEX_TTL:
        raise IndexClockError(binrepo, f"its index has a TTL of {ttl[:20]!r}, more than {limits.MAX_INDEX_TTL} s")
    stamp = header.get("TIMESTAMP", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 13):
        raise IndexClockError(binrepo, "its index has no TIMESTAMP")
    if int(stamp) > now + limits.CLOCK_SKEW:
        raise IndexClockError(binrepo, f"its index is stamped {int(stamp) - now} s in the future")
    return int(stamp)


def check_entry(binrepo: str, entry: IndexEntry, *, strong: bool) -> None:
    """Raises UnsafePathError, EntryIdentityError, WeakDigestError."""
    name = repr(entry.get("CPV"))[:200]
    if entry.twice:
        raise EntryIdentityError(binrepo, f"the entry {name} says {', '.join(sorted(entry.twice))} twice")
    values = [value for key, value in entry.values.items() if key in keys.ENTRY]
    # What is printable has none, and that is quickly known.
    if not "".join(values).isprintable() and any(map(_CONTROL.search, values)):
        raise EntryIdentityError(binrepo, f"the entry {name} has control characters")
    if any(len(value) > limits.METADATA_VALUE for value in values):
        # A package with such a long value is refused anyway, and comparing it would need a hundred times its size in memory.
        raise EntryIdentityError(binrepo, f"the entry {name} has a value of more than {limits.METADATA_VALUE} characters")
    path = entry.get("PATH")
    if not _PATH.fullmatch(path) or not path.endswith(_SUFFIXES) or len(path) > limits.CONTAINER_NAME:
        raise UnsafePathError(binrepo, f"the entry {name} has the path {path[:200]!r}")
    try:
        cpv, size, _ = entry.cpv, entry.size, entry.build_id
    except (InvalidCpvError, InvalidEntryError) as error:
        raise EntryIdentityError(binrepo, f"the entry {name} is none: {error}") from error
    if not _instance_of(cpv, path) and path not in _places(cpv):
        raise EntryIdentityError(binrepo, f"the entry {name} has the path of another package, {path!r}")
    if not 0 < size <= limits.PACKAGE_SIZE:
        raise WeakDigestError(binrepo, f"the entry {name} has a SIZE of {size}")
    present = [key for key in (*STRONG, *WEAK) if entry.get(key)]
    if any(not _HEX[key].fullmatch(entry.get(key)) for key in present):
        raise WeakDigestError(binrepo, f"the entry {name} has a digest that is none")
    if (strong and not set(STRONG) & set(present)) or not present:
        raise WeakDigestError(binrepo, f"the entry {name} has only {', '.join(present) or 'no digest'}")


def _places(cpv: Cpv) -> set[str]:
    """The allowed paths of the package in a PKGDIR without FEATURES=binpkg-multi-instance, so with one instance of each."""
    return {f"{directory}/{cpv.pf}{suffix}" for directory in (cpv.category, "All") for suffix in (".gpkg.tar", ".tbz2")}


def _instance_of(cpv: Cpv, path: str) -> bool:
    """Whether ``path`` is an allowed path of the package in a PKGDIR with FEATURES=binpkg-multi-instance.

    The number in the path need not be the BUILD_ID of the entry: quickpkg uses the next free number for the file name, and
    keeps the BUILD_ID of the installed package in the metadata.
    """
    start, _, rest = path.rpartition("-")
    number, _, suffix = rest.partition(".")
    return start == f"{cpv.cp}/{cpv.pf}" and number.isdecimal() and suffix in ("gpkg.tar", "xpak")


def _text(entry: IndexEntry) -> bytes:
    lines = [f"{key}: {value}\n" for key, value in entry.values.items() if key in keys.ENTRY and value]
    return "".join(lines).encode("utf-8", "replace") + b"\n"


def _plain(key: str, value: str) -> bool:
    return _KEY.fullmatch(key) is not None and _CONTROL.search(value) is None


def _parses(uri: str) -> bool:
    try:
        urlsplit(uri)
    except ValueError:
        return False
    return True

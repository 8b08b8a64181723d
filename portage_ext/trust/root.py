"""The text of a root has one canonical form, like a Release. It names the keys that sign Releases and those that sign roots.

::

    Format: portage-ext-root-1
    Repository: 6f1c…
    Version: 2
    Created: 2026-11-20T13:00:00Z
    Expires: 2027-11-20T13:00:00Z
    Least-Release: 1
    Root-Threshold: 2
    Root-Key: 0123…CDEF
    Root-Key: 4567…0123
    Release-Threshold: 1
    Release-Key: 89AB…4567

Roots are published below the base URL of a binhost, beside the channels of a release tree::

    root/1  root/1.asc      the first root and its signatures (armored and detached, concatenated)
    root/2  root/2.asc      the next root
    root/keys/FPR.asc       the public keys that the roots name
"""

from __future__ import annotations

from typing import Final

from portage_ext import limits
from portage_ext.errors.trust import MalformedRootError
from portage_ext.model.release import FINGERPRINT, NAME
from portage_ext.model.root import Root
from portage_ext.trust.lines import Lines, timestamp

ROOT_DIRECTORY: Final = "root"
ROOT_KEYS: Final = "keys"
FORMAT: Final = "portage-ext-root-1"


def root_name(version: int) -> str:
    """The file name of root ``version`` in the directory of the roots."""
    return str(version)


def signature_name(version: int) -> str:
    """The file name of the signatures of root ``version``."""
    return f"{version}.asc"


def key_name(fingerprint: str) -> str:
    """The path of a public key below the directory of the roots."""
    return f"{ROOT_KEYS}/{fingerprint}.asc"


def emit(root: Root) -> bytes:
    """The canonical text of ``root``."""
    lines = [
        f"Format: {FORMAT}",
        f"Repository: {root.repository}",
        f"Version: {root.version}",
        f"Created: {timestamp(root.created)}",
        f"Expires: {timestamp(root.expires)}",
        f"Least-Release: {root.least_release}",
        f"Root-Threshold: {root.root_threshold}",
        *(f"Root-Key: {key}" for key in root.root_keys),
        f"Release-Threshold: {root.release_threshold}",
        *(f"Release-Key: {key}" for key in root.release_keys),
    ]
    return ("\n".join(lines) + "\n").encode("ascii")


def parse(data: bytes, where: str = "root") -> Root:
    """Parse the text of a root. ``where`` is used in error messages. Raises MalformedRootError."""
    reader = Lines(data, limits.MAX_ROOT_SIZE, where, "root", MalformedRootError)
    if reader.value("Format") != FORMAT:
        raise MalformedRootError(where, f"the root is not of the format {FORMAT}")
    root = Root(
        repository=reader.matching("Repository", NAME),
        version=reader.number("Version"),
        created=reader.seconds("Created"),
        expires=reader.seconds("Expires"),
        least_release=reader.number("Least-Release"),
        root_threshold=reader.number("Root-Threshold"),
        root_keys=_keys(reader, "Root-Key"),
        release_threshold=reader.number("Release-Threshold"),
        release_keys=_keys(reader, "Release-Key"),
    )
    check(root, where)
    if emit(root) != data:
        raise MalformedRootError(where, "the root is not in its canonical form")
    return root


def check(root: Root, where: str) -> None:
    """Check that the keys, thresholds and times of ``root`` can be satisfied. Raises MalformedRootError."""
    if not 1 <= root.version <= limits.MAX_ROOT_VERSION or not 1 <= root.least_release <= limits.MAX_RELEASE_VERSION:
        raise MalformedRootError(where, f"version {root.version} or least Release {root.least_release} is out of range")
    if not 0 < root.expires - root.created <= limits.MAX_ROOT_VALIDITY:
        days = limits.MAX_ROOT_VALIDITY // 86400
        raise MalformedRootError(where, f"the root expires before it was created, or more than {days} days after")
    for name, keys, threshold in (
        ("root keys", root.root_keys, root.root_threshold),
        ("release keys", root.release_keys, root.release_threshold),
    ):
        if not 1 <= len(keys) <= limits.MAX_ROOT_KEYS or list(keys) != sorted(set(keys)):
            raise MalformedRootError(where, f"its {name} are not 1 to {limits.MAX_ROOT_KEYS} different ones in order")
        if not all(map(FINGERPRINT.fullmatch, keys)):
            raise MalformedRootError(where, f"one of its {name} is no fingerprint")
        if not 1 <= threshold <= len(keys):
            raise MalformedRootError(where, f"{threshold} of {len(keys)} {name} cannot sign")
    both = sorted({*root.root_keys} & {*root.release_keys})
    if both:
        raise MalformedRootError(where, f"{both[0]} is a root key and a release key: what signs Releases is not offline")


def _keys(reader: Lines, key: str) -> tuple[str, ...]:
    keys: list[str] = []
    while reader.follows(key) and len(keys) <= limits.MAX_ROOT_KEYS:
        keys.append(reader.value(key))
    return tuple(keys)

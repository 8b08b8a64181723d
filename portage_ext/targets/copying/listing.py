"""A listing names every file of a copied host with a digest of its content; layers are named by what a listing says.

It comes from another host, so each line is limited and checked before it becomes an Entry. No entry may lead through a symbolic
link: the files are written below a directory of this host.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Final, Literal

from portage_ext.errors.builds import CaptureError
from portage_ext.limits import MAX_TIME
from portage_ext.limits import builds as limits
from portage_ext.targets.copying import chosen

Layer = Literal["base", "state", "config"]
LAYERS: Final[tuple[Layer, ...]] = ("base", "state", "config")
"""From the bottom to the top."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory (``kind`` d), regular file (f) or symbolic link (l). ``path`` is relative to the root. ``value`` is the
    BLAKE2B digest (256 bits) of a file, the target of a link, or empty. ``mtime`` is in seconds, and 0 for all but regular
    files."""

    layer: Layer
    path: str
    kind: Literal["d", "f", "l"]
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    value: str

    def emit(self) -> str:
        """The line that :func:`parse` reads, without its end."""
        return json.dumps(astuple(self))


@dataclass(frozen=True, slots=True)
class Left:
    """A file that stays on the host, and why."""

    path: str
    why: str

    def emit(self) -> str:
        """The line that :func:`parse` reads, without its end."""
        return json.dumps(["left", self.path, self.why])


def parse(line: bytes, where: str) -> Entry | Left:
    """Parse a line of a listing. ``where`` is the host to name in errors. Raises CaptureError."""
    try:
        values = json.loads(line)
    except ValueError as error:
        raise CaptureError(where, "its list of files is damaged") from error
    if isinstance(values, list) and len(values) == 3 and values[0] == "left" and all(isinstance(one, str) for one in values):
        return Left(values[1][: limits.COPY_PATH], values[2][: limits.COPY_PATH])
    if not isinstance(values, list) or len(values) != 9:
        raise CaptureError(where, "a line of its list of files has other fields")
    layer, path, kind, *numbers, value = values
    if layer not in LAYERS or kind not in ("d", "f", "l") or not isinstance(value, str) or len(value) > limits.COPY_PATH:
        raise CaptureError(where, f"it lists {str(path)[:80]!r} in a way that no copy has")
    if not isinstance(path, str) or not chosen.may_come(path):
        raise CaptureError(where, f"it lists {str(path)[:80]!r}, which no copy has")
    for number, most in zip(numbers, (0o1777, 2**32 - 2, 2**32 - 2, MAX_TIME, limits.COPY_SIZE), strict=True):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= most:
            raise CaptureError(where, f"it lists {path!r} with a number out of bounds")
    if (kind == "f" and not _DIGEST.fullmatch(value)) or (kind == "l" and (not value or "\0" in value)):
        raise CaptureError(where, f"it lists {path!r} without its content")
    mode, uid, gid, mtime, size = numbers
    return Entry(layer, path, kind, mode, uid, gid, mtime, size, value)


def check(entries: Iterable[Entry], where: str) -> None:
    """Check all entries together. Raises CaptureError."""
    kinds: dict[str, str] = {}
    total = 0
    for one in entries:
        total += one.size
        if kinds.setdefault(one.path, one.kind) != one.kind:
            raise CaptureError(where, f"it lists {one.path!r} as two kinds of file")
    if total > limits.COPY_SIZE or len(kinds) > limits.COPY_FILES:
        raise CaptureError(where, f"it lists more than {limits.COPY_FILES} files, or {limits.COPY_SIZE} bytes")
    for path in kinds:
        above = posixpath.dirname(path)
        if above and kinds.get(above) != "d":
            raise CaptureError(where, f"it lists {path!r}, but {above!r} not as a directory")


def digest(entries: Iterable[Entry]) -> str:
    """The name of the layer with ``entries``: nothing but their content counts."""
    found = hashlib.blake2b(digest_size=32)
    for one in sorted(entries, key=lambda one: one.path):
        found.update(json.dumps(astuple(one)[1:]).encode() + b"\n")
    return found.hexdigest()

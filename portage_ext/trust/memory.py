"""What this host remembers of each binrepo, between one emerge and the next.

::

    EROOT/var/lib/portage-ext/trust/
        NAME.json     the last accepted Release, and the TIMESTAMP under which its index was handed to Portage
        NAME.index    that index, checked and sanitised; a package's entry is looked up here
        NAME.gpg      keys that came by rotation

All of it can be read by everybody, so that `emerge -p` as an ordinary user sees the same; who may not write does without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from portage_ext.errors import UsageError
from portage_ext.errors.trust import DamagedStateError

if TYPE_CHECKING:
    from portage_ext.trust.machine import Seen

STATE_DIRECTORY: Final = "var/lib/portage-ext/trust"
_FORMAT: Final = 1
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,63}")


@dataclass(frozen=True, slots=True)
class Memory:
    """``seen`` is None for a binrepo without a Release, ``expires`` when its last one does (seconds since the epoch).

    ``timestamp`` (seconds) and ``index`` (BLAKE2B of the published plain index) belong to the index that Portage was
    handed last; 0 and empty when there was none.
    """

    seen: Seen | None = None
    expires: int = 0
    timestamp: int = 0
    index: str = ""


def checked_name(binrepo: str) -> str:
    """``binrepo`` if it can be part of a file name. Raises UsageError."""
    if not _NAME.fullmatch(binrepo):
        raise UsageError(f"{binrepo!r} cannot be the name of a binrepo: letters, digits and . _ + @ - only")
    return binrepo


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """The files of one binrepo under ``eroot``."""

    eroot: Path
    binrepo: str

    @property
    def directory(self) -> Path:
        return self.eroot / STATE_DIRECTORY

    @property
    def memory_file(self) -> Path:
        return self.directory / f"{self.binrepo}.json"

    @property
    def index_file(self) -> Path:
        return self.directory / f"{self.binrepo}.index"

    @property
    def keyring_file(self) -> Path:
        return self.directory / f"{self.binrepo}.gpg"

    def load(self) -> Memory:
        """What is remembered; nothing yet is an empty Memory. Raises DamagedStateError."""
        try:
            text = self.memory_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Memory()
        except (OSError, UnicodeDecodeError) as error:
            raise DamagedStateError(str(self.memory_file), str(error)) from error
        try:
            import json

            return _from_json(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedStateError(str(self.memory_file), f"it is damaged ({error})") from error

    def save(self, memory: Memory) -> None:
        """Replace what is remembered. Raises OSError."""
        import json

        from portage_ext import files

        self.make_directory()
        files.replace_file(self.memory_file, json.dumps(_to_json(memory), indent=1, sort_keys=True).encode() + b"\n")

    def make_directory(self) -> None:
        """Make the directory, readable by everybody whatever the umask. Raises OSError."""
        if not self.directory.is_dir():
            self.directory.mkdir(parents=True, exist_ok=True)
            for made in (self.directory.parent, self.directory):
                made.chmod(0o755)


def _to_json(memory: Memory) -> dict[str, object]:
    seen = memory.seen
    return {
        "format": _FORMAT,
        "expires": memory.expires,
        "timestamp": memory.timestamp,
        "index": memory.index,
        "seen": None
        if seen is None
        else {
            "repository": seen.repository,
            "channel": seen.channel,
            "version": seen.version,
            "created": seen.created,
            "digest": seen.digest,
            "signer": seen.signer,
            "keys": sorted(seen.keys),
            "pins": sorted(seen.pins),
        },
    }


def _from_json(document: dict[str, object]) -> Memory:
    if document["format"] != _FORMAT:
        raise ValueError(f"format {document['format']} is not {_FORMAT}")
    seen = document["seen"]
    return Memory(
        None if seen is None else _seen(_Fields(seen)),
        _Fields(document).number("expires"),
        _Fields(document).number("timestamp"),
        _Fields(document).text("index"),
    )


def _seen(fields: _Fields) -> Seen:
    # The process that fetches a package needs none of this.
    from portage_ext.trust.machine import Seen

    return Seen(
        repository=fields.text("repository"),
        channel=fields.text("channel"),
        version=fields.number("version"),
        created=fields.number("created"),
        digest=fields.text("digest"),
        signer=fields.text("signer"),
        keys=fields.texts("keys"),
        pins=fields.texts("pins"),
    )


class _Fields:
    """The fields of a JSON object, by type. Raises TypeError or KeyError."""

    def __init__(self, values: object) -> None:
        if not isinstance(values, dict):
            raise TypeError("not an object")
        self._values = values

    def text(self, key: str) -> str:
        value = self._values[key]
        if not isinstance(value, str):
            raise TypeError(f"{key} is not a text")
        return value

    def number(self, key: str) -> int:
        value = self._values[key]
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{key} is not a number")
        return value

    def texts(self, key: str) -> frozenset[str]:
        value = self._values[key]
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise TypeError(f"{key} is not a list of texts")
        return frozenset(value)

"""This host remembers each binrepo from one run of emerge to the next, so that an older Release is never accepted.

::

    EROOT/var/lib/portage-ext/trust/
        NAME.json     the last accepted Release, and the TIMESTAMP of the index that was given to Portage
        NAME.index    that index, checked and sanitised; the entry of a package is looked up here
        NAME.gpg      keys that came by rotation
        NAME.deltas   the list of the deltas of that release, if it was needed; it is checked whenever it is read

All users can read these files, so that `emerge -p` as an ordinary user sees the same. A user who cannot write them does not
update them.

NAME.json has a format number. Format 1 recorded the rotated keys, but not which key announced them. It is still read, so that
an upgrade does not forget the version of the last Release. If only one key was pinned, that key must have announced them. If
several were pinned, the announcer is unknown, so a rotated key is trusted again only when a Release signed by a pinned key
announces it. A newer format than this version knows is an error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from portage_ext import limits
from portage_ext.errors import UsageError
from portage_ext.errors.trust import DamagedStateError
from portage_ext.model.release import DIGEST, FINGERPRINT, NAME
from portage_ext.records import record, replace

if TYPE_CHECKING:
    from portage_ext.trust.machine import Seen

STATE_DIRECTORY: Final = "var/lib/portage-ext/trust"
_FORMAT: Final = 2
_BINREPO: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,63}")
_INDEX: Final = re.compile(f"(?:{DIGEST.pattern})?")
_PAIR: Final = re.compile(f"{FINGERPRINT.pattern} {FINGERPRINT.pattern}")
_NOTHING: Final = re.compile("")


@record
class Memory:
    """The content of NAME.json. ``seen`` is None for a binrepo without a Release.

    ``expires`` is when the last Release expires. ``timestamp`` and ``index`` (BLAKE2B of the published uncompressed index)
    describe the index that Portage was given last; they are 0 and empty if there was none. Times are in seconds since the
    epoch.
    """

    seen: Seen | None = None
    expires: int = 0
    timestamp: int = 0
    index: str = ""


def checked_name(binrepo: str) -> str:
    """Return ``binrepo`` if it can be part of a file name. Raises UsageError otherwise."""
    if not _BINREPO.fullmatch(binrepo):
        raise UsageError(f"{binrepo!r} cannot be the name of a binrepo: letters, digits and . _ + @ - only")
    return binrepo


@record
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
    def deltas_file(self) -> Path:
        return self.directory / f"{self.binrepo}.deltas"

    @property
    def keyring_file(self) -> Path:
        return self.directory / f"{self.binrepo}.gpg"

    def load(self) -> Memory:
        """Read the memory; it is empty if nothing was remembered yet. Raises DamagedStateError."""
        where = str(self.memory_file)
        try:
            with self.memory_file.open("rb") as file:
                data = file.read(limits.MEMORY_SIZE + 1)
        except FileNotFoundError:
            return Memory()
        except OSError as error:
            raise DamagedStateError(where, str(error)) from error
        if len(data) > limits.MEMORY_SIZE:
            raise DamagedStateError(where, f"it is larger than {limits.MEMORY_SIZE} bytes")
        # No value in this file contains a bracket, so the number of brackets limits how deep the JSON can be nested.
        if data.count(b"[") + data.count(b"{") > limits.MEMORY_BRACKETS:
            raise DamagedStateError(where, "it is nested, or has more lists than there are")
        try:
            import json

            return _from_json(json.loads(data.decode("ascii")))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DamagedStateError(where, f"it is damaged ({error})") from error

    def save(self, memory: Memory) -> None:
        """Replace the memory. Raises DamagedStateError if the new content could not be read back, OSError."""
        import json

        from portage_ext import files

        document = _to_json(memory)
        try:
            _from_json(document)
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedStateError(str(self.memory_file), f"it cannot be kept as it would be ({error})") from error
        self.make_directory()
        files.replace_file(self.memory_file, json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")

    def make_directory(self) -> None:
        """Create the directory so that all users can read it, whatever the umask. Raises OSError."""
        from portage_ext import files

        files.make_directory(self.directory)


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
            "cosigners": sorted(seen.cosigners),
            "keys": sorted(seen.keys),
            "pins": sorted(seen.pins),
            "announced": sorted(f"{key} {signer}" for key, signer in seen.announced),
            "removed": sorted(seen.removed),
        },
    }


def _from_json(document: object) -> Memory:
    fields = _Fields(document)
    form = fields.number("format", _FORMAT)
    if form < 1:
        raise ValueError(f"format {form} is none")
    seen = fields.value("seen")
    return Memory(
        None if seen is None else _seen(_Fields(seen), form),
        fields.number("expires", limits.MAX_TIME),
        fields.number("timestamp", limits.MAX_TIME),
        fields.text("index", _INDEX),
    )


def _seen(fields: _Fields, form: int) -> Seen:
    # Imported here, because the process that fetches a package does not need it.
    from portage_ext.trust.machine import Seen

    version = fields.number("version", limits.MAX_RELEASE_VERSION)
    # A memory without a version holds only keys: `trust forget` leaves it in this state.
    seen = Seen(
        repository=fields.text("repository", NAME if version else _NOTHING),
        channel=fields.text("channel", NAME if version else _NOTHING),
        version=version,
        created=fields.number("created", limits.MAX_TIME),
        digest=fields.text("digest", DIGEST if version else _NOTHING),
        signer=fields.text("signer", FINGERPRINT if version else _NOTHING),
        keys=fields.texts("keys", FINGERPRINT, limits.MAX_KEYS_NEXT + limits.MAX_PINS),
        pins=fields.texts("pins", FINGERPRINT, limits.MAX_PINS),
    )
    if form == 1:
        return _upgraded(seen)
    pairs = (pair.split(" ") for pair in fields.texts("announced", _PAIR, limits.MAX_ANNOUNCED))
    removed = fields.texts("removed", FINGERPRINT, limits.MAX_REMOVED)
    cosigners = fields.texts("cosigners", FINGERPRINT, limits.MAX_KEYS_NEXT + limits.MAX_PINS)
    return replace(seen, announced=frozenset((key, signer) for key, signer in pairs), removed=removed, cosigners=cosigners)


def _upgraded(seen: Seen) -> Seen:
    """Convert the memory of format 1, as the module's docstring explains."""
    rotated = (seen.keys | ({seen.signer} if seen.version else set())) - seen.pins
    announced = frozenset((key, pin) for key in rotated for pin in seen.pins)
    return replace(seen, announced=announced, keys=seen.keys if len(seen.pins) == 1 else seen.keys & seen.pins)


class _Fields:
    """Reads the fields of a JSON object and checks their types and bounds. Raises TypeError, ValueError or KeyError."""

    def __init__(self, values: object) -> None:
        if not isinstance(values, dict):
            raise TypeError("not an object")
        self._values = values

    def value(self, key: str) -> object:
        return self._values[key]

    def text(self, key: str, form: re.Pattern[str]) -> str:
        value = self._values[key]
        if not isinstance(value, str) or not form.fullmatch(value):
            raise TypeError(f"{key} is not what it should be")
        return value

    def number(self, key: str, most: int) -> int:
        value = self._values[key]
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise TypeError(f"{key} is not a number from 0 to {most}")
        return value

    def texts(self, key: str, form: re.Pattern[str], most: int) -> frozenset[str]:
        value = self._values[key]
        if not isinstance(value, list) or len(value) > most:
            raise TypeError(f"{key} is not a list of at most {most}")
        if not all(isinstance(one, str) and form.fullmatch(one) for one in value):
            raise TypeError(f"{key} is not a list of what it should be")
        return frozenset(value)

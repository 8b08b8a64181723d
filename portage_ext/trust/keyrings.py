"""Each binrepo has a keyring of its own, separate from Portage's, and only the keys pinned for it are trusted.

::

    CONFIGROOT/etc/portage/portage-ext/trust/
        NAME.pins     fingerprints of the primary keys trusted for the binrepo, one a line; or root keys (lines `root FPR`),
                      which name the trusted keys, and `threshold N`: how many of them must have signed a root
        NAME.removed  root keys that were removed or named as stolen, one a line: their signatures on roots do not count
        NAME.gpg      the pinned keys, as `gpg --export` writes them
    CONFIGROOT/etc/portage/gnupg/     Portage's own gpg home: it needs the keys too, or Portage refuses the packages

A key is trusted for a binrepo only because its fingerprint is pinned there. It does not matter whether the key is in a keyring,
in Portage's gpg home, or in the keyring of another binrepo.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors import SettingsError, UnreadableSettingsError
from portage_ext.errors.here import ShortFingerprintError, UnreadableKeyFileError
from portage_ext.errors.trust import KeyFileError
from portage_ext.model.release import FINGERPRINT
from portage_ext.records import record

TRUST_DIRECTORY: Final = "etc/portage/portage-ext/trust"


@record
class RootPins:
    """The fingerprints of the pinned root keys (primary keys), and how many of them must have signed the first root.

    ``removed`` are root keys that the administrator removed. Their signatures never count, even if a root names them.
    """

    keys: frozenset[str]
    threshold: int
    removed: frozenset[str] = frozenset()


def fingerprint(text: str) -> str:
    """Convert a fingerprint as gpg prints it or people write it to 40 or 64 upper-case hex digits. Raises KeyFileError."""
    plain = "".join(text.split()).upper().removeprefix("0X")
    if not FINGERPRINT.fullmatch(plain):
        raise ShortFingerprintError(text, "it is not a whole fingerprint; a short key id can be imitated")
    return plain


@record
class TrustDirectory:
    """The pins and keyrings under one configuration root."""

    config_root: Path

    @property
    def directory(self) -> Path:
        return self.config_root / TRUST_DIRECTORY

    def pins_file(self, binrepo: str) -> Path:
        return self.directory / f"{binrepo}.pins"

    def removed_file(self, binrepo: str) -> Path:
        return self.directory / f"{binrepo}.removed"

    def keyring_file(self, binrepo: str) -> Path:
        return self.directory / f"{binrepo}.gpg"

    def pins(self, binrepo: str) -> frozenset[str]:
        """The fingerprints pinned for ``binrepo``; empty if there are none, or if root keys are pinned instead.

        Raises SettingsError.
        """
        return self._pinned(binrepo)[0]

    def root_pins(self, binrepo: str) -> RootPins | None:
        """The root keys pinned for ``binrepo``; None if there are none. Raises SettingsError."""
        return self._pinned(binrepo)[1]

    def _pinned(self, binrepo: str) -> tuple[frozenset[str], RootPins | None]:
        path = self.pins_file(binrepo)
        try:
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            return frozenset(), None
        except OSError as error:
            raise UnreadableSettingsError(str(path), error.strerror or str(error)) from error
        except UnicodeDecodeError as error:
            raise SettingsError(str(path), f"it is not ASCII ({error.reason} at byte {error.start})") from error
        keys, roots, thresholds = set[str](), set[str](), list[int]()
        for words in (line.split("#", 1)[0].split() for line in text.splitlines()):
            match words:
                case []:
                    continue
                case [word] if FINGERPRINT.fullmatch(word):
                    keys.add(word)
                case ["root", word] if FINGERPRINT.fullmatch(word):
                    roots.add(word)
                case ["threshold", word] if word.isascii() and word.isdecimal() and len(word) < 3:
                    thresholds.append(int(word))
                case _:
                    raise SettingsError(str(path), f"{' '.join(words)!r} is not a fingerprint")
        if len(keys | roots) > limits.MAX_PINS:
            raise SettingsError(str(path), f"it pins {len(keys | roots)} keys; {limits.MAX_PINS} is the most")
        if not roots and not thresholds:
            return frozenset(keys), None
        if keys or len(thresholds) != 1 or not 1 <= thresholds[0] <= len(roots):
            raise SettingsError(str(path), "it must name root keys alone, and one threshold that they can meet")
        return frozenset(), RootPins(frozenset(roots), thresholds[0], self.removed_roots(binrepo))

    def removed_roots(self, binrepo: str) -> frozenset[str]:
        """The root keys that the administrator removed, even if no root key is pinned now. Raises SettingsError."""
        path = self.removed_file(binrepo)
        try:
            with path.open(encoding="ascii") as file:
                text = file.read(limits.MAX_REMOVED_SIZE + 1)
        except FileNotFoundError:
            return frozenset()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(str(path), str(error)) from error
        words = [line.split("#", 1)[0].strip() for line in text.splitlines()]
        removed = frozenset(word for word in words if word)
        for word in sorted(removed):
            if not FINGERPRINT.fullmatch(word):
                raise SettingsError(str(path), f"{word[:80]!r} is not a fingerprint")
        if len(text) > limits.MAX_REMOVED_SIZE or len(removed) > limits.MAX_REMOVED_ROOT_KEYS:
            raise SettingsError(str(path), f"it names too many keys; {limits.MAX_REMOVED_ROOT_KEYS} is the most")
        return removed

    def write_removed(self, binrepo: str, removed: frozenset[str]) -> None:
        """Replace the list of removed root keys. Raises KeyFileError if there are too many, OSError."""
        path = self.removed_file(binrepo)
        if len(removed) > limits.MAX_REMOVED_ROOT_KEYS:
            raise KeyFileError(
                str(path),
                f"more than {limits.MAX_REMOVED_ROOT_KEYS} root keys were taken out; `portage-ext trust forget {binrepo}` "
                "lets all of them count again",
            )
        if not removed:
            path.unlink(missing_ok=True)
            return
        from portage_ext import files

        self._make()
        files.replace_file(path, "".join(f"{key}\n" for key in sorted(removed)).encode())

    def binrepos(self) -> list[str]:
        """The names of the binrepos that have pins."""
        return sorted(path.name.removesuffix(".pins") for path in self.directory.glob("*.pins"))

    def write(self, binrepo: str, pins: Iterable[str] | RootPins, keyring: bytes) -> None:
        """Replace the pins and the keyring of ``binrepo``.

        The list of removed root keys is written first, then the keyring, then the pins. So if this is interrupted, no new pin
        is trusted yet and no removed root key counts. Raises KeyFileError if too many root keys were removed, OSError.
        """
        if isinstance(pins, RootPins):
            self.write_removed(binrepo, pins.removed)
            lines = [*(f"root {key}" for key in sorted(pins.keys)), f"threshold {pins.threshold}"]
        else:
            lines = sorted(pins)
        from portage_ext import files

        self._make()
        files.replace_file(self.keyring_file(binrepo), keyring)
        files.replace_file(self.pins_file(binrepo), "".join(f"{line}\n" for line in lines).encode())

    def _make(self) -> None:
        from portage_ext import files

        files.make_directory(self.directory)
        for made in (self.directory.parent, self.directory):
            made.chmod(0o755)

    def remove(self, binrepo: str) -> None:
        """Delete the pins of ``binrepo``, then its keyring. Removed root keys stay removed."""
        self.pins_file(binrepo).unlink(missing_ok=True)
        self.keyring_file(binrepo).unlink(missing_ok=True)

    def other_keyrings(self, binrepo: str) -> list[Path]:
        """The keyrings of the other binrepos. They serve only to name a key in an error message that is not trusted here."""
        return [path for path in sorted(self.directory.glob("*.gpg")) if path != self.keyring_file(binrepo)]


def read_key_file(path: Path) -> bytes:
    """The bytes of a file of public keys. Raises KeyFileError."""
    try:
        with path.open("rb") as file:
            data = file.read(limits.MAX_KEY_SIZE + 1)
    except OSError as error:
        raise UnreadableKeyFileError(str(path), f"it cannot be read: {error.strerror}") from error
    if len(data) > limits.MAX_KEY_SIZE:
        raise KeyFileError(str(path), f"it is larger than {limits.MAX_KEY_SIZE} bytes")
    return data

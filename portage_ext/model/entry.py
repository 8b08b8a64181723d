"""An entry of the package index has exactly the keys and values of the index text, without defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from portage_ext.errors import InvalidEntryError
from portage_ext.model.cpv import Cpv
from portage_ext.model.digest import STRONG, Digest
from portage_ext.records import record

_DIGITS: Final = 20
"""A longer text is not accepted as a number: Python raises its own error for thousands of digits."""

XPAK_SUFFIXES: Final = (".tbz2", ".xpak")
GPKG_SUFFIX: Final = ".gpkg.tar"
PACKAGE_SUFFIXES: Final = (*XPAK_SUFFIXES, GPKG_SUFFIX)
"""The suffixes of package files, by which Portage recognises their format (portage.const, make.conf(5) BINPKG_FORMAT)."""


@record(eq=False)
class IndexEntry:
    """One package of an index. ``values`` are the keys of the text (``MTIME``, ``REPO``, ``DESC``), no defaults filled in.

    ``twice`` names the keys that the text gave more than once; ``values`` has the last of each, as Portage's reader.
    """

    values: Mapping[str, str]
    twice: frozenset[str] = frozenset()

    def get(self, key: str, default: str = "") -> str:
        return self.values.get(key, default)

    def _required(self, key: str) -> str:
        value = self.values.get(key)
        if not value:
            raise InvalidEntryError(self.values.get("CPV", "?"), key, value or "")
        return value

    @property
    def cpv(self) -> Cpv:
        """Raises InvalidEntryError without a CPV, InvalidCpvError for a malformed one."""
        return Cpv.parse(self._required("CPV"))

    @property
    def path(self) -> str:
        """Relative to PKGDIR, as the index says it: not checked here."""
        return self._required("PATH")

    @property
    def size(self) -> int:
        """Bytes. Raises InvalidEntryError when it is missing or no plain decimal number."""
        value = self._required("SIZE")
        if not (value.isascii() and value.isdigit() and len(value) < _DIGITS):
            raise InvalidEntryError(self.values.get("CPV", "?"), "SIZE", value)
        return int(value)

    @property
    def build_id(self) -> int | None:
        value = self.values.get("BUILD_ID", "")
        if not value:
            return None
        try:
            return int(value)
        except ValueError:
            raise InvalidEntryError(self.values.get("CPV", "?"), "BUILD_ID", value) from None

    @property
    def slot(self) -> str:
        return self.values.get("SLOT", "0")

    @property
    def repository(self) -> str | None:
        """None when the entry inherits the header's."""
        return self.values.get("REPO")

    @property
    def strong_digests(self) -> tuple[Digest, ...]:
        """BLAKE2B and SHA512, as far as the entry carries them."""
        return tuple(Digest(name, self.values[name]) for name in STRONG if self.values.get(name))

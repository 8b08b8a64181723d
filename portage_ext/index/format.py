"""The tables that decide what Portage writes for a package are read from the installed Portage and kept as values.

host/pkgdir.py reads them, so a new key in a newer Portage needs no change here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from portage_ext.model import INDEXED

MTIME: Final = "_mtime_"
"""Portage's internal name of MTIME. The keys in the text are sorted by their internal names."""


@dataclass(frozen=True)
class IndexFormat:
    """The keys of an index entry. All names are Portage's internal ones; ``translated`` maps them to the names in the text."""

    metadata_keys: frozenset[str]
    """Keys that are copied from the package's metadata."""
    evaluated_keys: tuple[str, ...]
    """The keys among them whose USE conditionals are evaluated."""
    hashes: tuple[str, ...]
    """Digests of the whole file that Portage writes."""
    defaults: Mapping[str, str]
    """Default values by key. A value that equals its default is not written."""
    inherited: tuple[str, ...]
    """Keys that are not written if the value equals that in the header."""
    translated: Mapping[str, str]

    @cached_property
    def columns(self) -> tuple[tuple[str, str, str | None], ...]:
        """Every key in the order of the text: its internal name, the start of its line, and the default that is not written."""
        keys = self.metadata_keys | set(self.hashes) | {INDEXED, "CPV", "PATH", "SIZE", MTIME}
        return tuple((key, f"{self.translated.get(key, key)}: ", self.defaults.get(key)) for key in sorted(keys))

    @cached_property
    def wanted(self) -> frozenset[str]:
        """The keys that are read from a package's metadata."""
        return self.metadata_keys | {"CATEGORY", "PF"}

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """The digests that are computed over the whole file: those of Portage, and a strong one."""
        return tuple(dict.fromkeys((*self.hashes, INDEXED)))

    @cached_property
    def _unfilled(self) -> frozenset[str]:
        return self.metadata_keys - self.defaults.keys()

    def evaluated_twice(self, values: Mapping[str, str], header: Mapping[str, str]) -> bool:
        """Whether ``emaint binhost --fix`` evaluates the dependencies of this package twice, the second time on the first
        result.

        emaint makes the index in two passes. If the entry from the first pass has a value for every key without default, the
        second pass starts from it, otherwise from the package. A second evaluation removes nested any-of groups that the first
        one keeps (``minimum_keys`` in binarytree._populate_local of Portage).
        """
        inherited = self.inherited
        return all(values.get(key) or (key in inherited and header.get(key)) for key in self._unfilled)

    def emit(self, values: Mapping[str, str], header: Mapping[str, str]) -> bytes:
        """The text of one entry, without the empty line after it.

        ``values`` are by internal name; ``header`` is the header that will be written (PackageIndex.write of Portage).
        """
        lines = []
        inherited = self.inherited
        for key, begin, default in self.columns:
            value = values.get(key)
            if not value or value == default or (key in inherited and value == header.get(key)):
                continue
            lines.append(begin + value)
        lines.append("")
        return "\n".join(lines).encode("utf-8", "replace")

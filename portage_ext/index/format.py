"""Tables of Portage that decide what it writes for a package, as values.

They are read from the installed Portage (host/pkgdir.py), so that a new key of a new Portage needs no change here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from portage_ext.model import INDEXED

MTIME: Final = "_mtime_"
"""How Portage calls MTIME inside; the order of the keys in the text follows the inner names."""


@dataclass(frozen=True)
class IndexFormat:
    """The keys of an index entry. All names are Portage's inner ones; ``translated`` maps them to those in the text."""

    metadata_keys: frozenset[str]
    """Copied from the package's metadata."""
    evaluated_keys: tuple[str, ...]
    """Of these, the ones whose USE conditionals are evaluated."""
    hashes: tuple[str, ...]
    """Digests of the whole file that Portage writes."""
    defaults: Mapping[str, str]
    """A value equal to this is not written."""
    inherited: tuple[str, ...]
    """A value equal to the header's is not written."""
    translated: Mapping[str, str]

    @cached_property
    def columns(self) -> tuple[tuple[str, bytes, str | None], ...]:
        """Every key in the order of the text: inner name, how its line begins, the default that is not written."""
        keys = self.metadata_keys | set(self.hashes) | {INDEXED, "CPV", "PATH", "SIZE", MTIME}
        return tuple((key, f"{self.translated.get(key, key)}: ".encode(), self.defaults.get(key)) for key in sorted(keys))

    @cached_property
    def wanted(self) -> frozenset[str]:
        """What is read from a package's metadata."""
        return self.metadata_keys | {"CATEGORY", "PF"}

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """What is computed of the whole file: Portage's digests, and one that can be trusted."""
        return tuple(dict.fromkeys((*self.hashes, INDEXED)))

    @cached_property
    def _unfilled(self) -> frozenset[str]:
        return self.metadata_keys - self.defaults.keys()

    def evaluated_twice(self, values: Mapping[str, str], header: Mapping[str, str]) -> bool:
        """``emaint binhost --fix`` evaluates the dependencies of this package a second time, on the result of the first.

        It makes the index in two passes; the second starts from the entry that the first wrote, when that has a value for
        every key without default, and from the package otherwise. Evaluating twice takes away nested any-of groups that once
        leaves (``minimum_keys`` in binarytree._populate_local of Portage).
        """
        inherited = self.inherited
        return all(values.get(key) or (key in inherited and header.get(key)) for key in self._unfilled)

    def emit(self, values: Mapping[str, str], header: Mapping[str, str]) -> bytes:
        """The text of one entry without the empty line that ends it.

        ``values`` by inner name, ``header`` as it will be written (PackageIndex.write of Portage).
        """
        lines = []
        inherited = self.inherited
        for key, begin, default in self.columns:
            value = values.get(key)
            if not value or value == default or (key in inherited and value == header.get(key)):
                continue
            lines.append(begin + value.encode("utf-8", "replace"))
        return b"\n".join(lines) + b"\n"

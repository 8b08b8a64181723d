"""The lock file has every version for which an ebuild was ever made, with the SHA-256 of its source archive; lines never
change.

It is text for people to review, with one line per version. It is part of the repository (``metadata/pypi.lock``), so that both
change together::

    requests 2.31.0 sha256:942c5a758f98d790eaed1a29cb6eefc7ffb0d1cf7af05c3d2791656dbd6ad1e1
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from packaging.version import InvalidVersion, Version

from portage_ext.errors import SettingsError
from portage_ext.errors.pypi import ChangedFileError

LOCK: Final = "metadata/pypi.lock"
_LINE: Final = re.compile(r"([a-z0-9][a-z0-9-]{0,99}) ([0-9][a-z0-9.]{0,63}) sha256:([0-9a-f]{64})")
_HEAD: Final = (
    "# Versions that portage-ext made ebuilds of, and their source archives. Review changes as you would review code.\n"
)


@dataclass(frozen=True, slots=True)
class Lock:
    """SHA-256 by (normalised project, version)."""

    entries: dict[tuple[str, Version], str] = field(default_factory=dict)

    def check(self, project: str, version: Version, sha256: str) -> None:
        """Raise ChangedFileError if the version had another archive before."""
        before = self.entries.get((project, version), sha256)
        if before != sha256:
            raise ChangedFileError(f"{project} {version}", f"SHA-256 {sha256[:16]}…, before {before[:16]}…")

    def having(self, more: Iterable[tuple[str, Version, str]]) -> Lock:
        """This lock with more versions added. Existing lines do not change."""
        return Lock({**{(name, version): sha256 for name, version, sha256 in more}, **self.entries})

    def text(self) -> str:
        return _HEAD + "".join(
            f"{name} {version} sha256:{sha256}\n"
            for (name, version), sha256 in sorted(self.entries.items(), key=lambda one: one[0])
        )


def parse(text: str, path: str) -> Lock:
    """Parse a lock file. Raises SettingsError, because a damaged lock file would protect nothing."""
    found: dict[tuple[str, Version], str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.rstrip())
        try:
            if match is None:
                raise InvalidVersion(line)
            found[match[1], Version(match[2])] = match[3]
        except InvalidVersion:
            raise SettingsError(f"{path}, line {number}", f"{line[:100]!r} is not NAME VERSION sha256:DIGEST") from None
    return Lock(found)

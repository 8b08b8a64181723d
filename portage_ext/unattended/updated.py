"""What the last update of this binhost did, for the pages of its releases: anybody may read it, so it has no path of this host.

The file is ``<root>/var/lib/portage-ext/update/public.json``, where root is PORTAGE_CONFIGROOT. It is written while an update
runs, because the release that the update publishes has it on its pages. If it cannot be read, the pages lack it.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from portage_ext import files, shown
from portage_ext.limits import views as limits

FILE: Final = "var/lib/portage-ext/update/public.json"
_PATH: Final = re.compile(r"(?:(?<=-[IL])|(?<![\w/.~…]))~?(/[^\s/:;,'\"`()<>|=]+)+/?")
_PUBLIC: Final = re.compile(r"/(?:usr|bin|sbin|lib|lib32|lib64|dev(?!/shm)|proc)(?:/|$)")
"""Paths that are the same on every host."""
_USER: Final = re.compile(r"(\w://)[^\s/@]+@")
_SECRET: Final = re.compile(
    r"(?i)([\w-]*(?:pass|token|secret|key|auth|credential)[\w-]*[\"']?\s*[=:]\s*)(?:bearer\s+|basic\s+)?"
    r"(?:'[^']*'|\"[^\"]*\"|\S+)"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, why, and the last lines of its log."""

    what: str
    why: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Updated:
    """The update that began at ``begun`` (seconds since 1970): packages that were built, failures, and what was held back, each
    with the reason."""

    begun: int
    came: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    held: tuple[tuple[str, str], ...] = ()

    def public(self) -> Updated:
        """The same without paths of this host, and without what looks like a secret."""
        return Updated(
            self.begun,
            tuple(map(public, self.came)),
            tuple(Failure(public(one.what), public(one.why), tuple(map(public, one.lines))) for one in self.failed),
            tuple((public(what), public(why)) for what, why in self.held),
        )


def public(text: str) -> str:
    """``text`` as everybody may read it, on one line."""
    found = _SECRET.sub(r"\1…", _USER.sub(r"\1…@", shown.line(text)))
    return _PATH.sub(_shortened, found)


def _shortened(match: re.Match[str]) -> str:
    path = match[0]
    return path if _PUBLIC.match(path) else f"…/{path.rstrip('/').rpartition('/')[2]}"


def save(root: Path, updated: Updated) -> None:
    """Replace the file below ``root`` by what is public of ``updated``. Raises OSError."""
    files.make_directory((root / FILE).parent, 0o700)
    files.replace_file(root / FILE, json.dumps(asdict(updated.public())).encode(), mode=0o600, lasting=False)


def read(root: Path) -> Updated | None:
    """The file below ``root``; None if there is none that can be read."""
    try:
        with (root / FILE).open("rb") as file:
            data = file.read(limits.PAGES_UPDATE + 1)
        return _parse(json.loads(data)) if len(data) <= limits.PAGES_UPDATE else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _parse(values: Any) -> Updated:
    failed = (Failure(str(one["what"]), str(one["why"]), tuple(map(str, one["lines"]))) for one in values["failed"])
    held = tuple((str(what), str(why)) for what, why in values["held"])
    return Updated(int(values["begun"]), tuple(map(str, values["came"])), tuple(failed), held)

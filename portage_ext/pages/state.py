"""The writer of pages saves its state in a file of the release for the next run; clients do not use it and it is not served.

If the file is missing or damaged, all pages are written again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext.limits import views as limits
from portage_ext.pages import history
from portage_ext.pages.catalogue import Catalogue
from portage_ext.pages.history import Record
from portage_ext.releases.pages import STATE

NAME: Final = STATE


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """``made_by`` is a digest of everything that decides how pages look. If it differs, no old page is used again."""

    made_by: str
    catalogue: Catalogue
    history: Sequence[Record]

    def emit(self) -> bytes:
        of = self.catalogue
        values = {"paths": of.paths, "needed": of.needed, "used": of.used, "unsigned": sorted(of.unsigned)}
        counts = {"size": of.size, "nameless": of.nameless}
        told = [one.value() for one in self.history]
        whole = {"made_by": self.made_by, "history": told, **values, **counts}
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")


def read(release: Path | None) -> State | None:
    """Read the state in the directory of a release; None if there is no usable one."""
    if release is None:
        return None
    try:
        with (release / NAME).open("rb") as file:
            if os.fstat(file.fileno()).st_size > limits.PAGES_STATE:
                return None
            values = json.loads(file.read().decode("utf-8", "surrogateescape"))
        of = Catalogue(
            _lists(values["paths"]),
            _texts(values["needed"]),
            _texts(values["used"]),
            set(map(str, values["unsigned"])),
            int(values["size"]),
            int(values["nameless"]),
        )
        return State(str(values["made_by"]), of, history.records(values["history"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _lists(value: Mapping[str, list[str]]) -> dict[str, list[str]]:
    if not all(isinstance(one, list) for one in value.values()):
        raise ValueError("not lists")
    return dict(value)


def _texts(value: Mapping[str, str]) -> dict[str, str]:
    if not all(isinstance(one, str) for one in value.values()):
        raise ValueError("not texts")
    return dict(value)

"""Where the Portage of this Python says what runs: below its own prefix, as FEATURES=observability does (make.conf(5))."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from portage.const import EPREFIX

from portage_ext.host.probe import Attribute, Expectation

EXPECTED: Final[tuple[Expectation, ...]] = (Attribute("portage.const:EPREFIX"),)


def run_directory() -> Path:
    """/run/portage, or that of the prefix. It need not be there."""
    return Path(EPREFIX or "/") / "run/portage"

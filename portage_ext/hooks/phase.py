"""The variables of an ebuild phase that the hook programs use, read once into values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from portage_ext.limits import ENVIRONMENT_SIZE


@dataclass(frozen=True, slots=True)
class Phase:
    """``image`` is D, ``root`` ROOT, ``build_info`` the metadata of the package in the making; ``name`` is category/PF."""

    image: Path
    root: Path
    eprefix: str
    config_root: Path
    build_info: Path
    name: str
    cp: str


def phase_of(variables: Mapping[str, str]) -> Phase:
    """Read the exported variables of a phase (ebuild(5)). Raises KeyError for a missing variable."""
    return Phase(
        Path(variables["D"]),
        Path(variables.get("ROOT") or "/"),
        variables.get("EPREFIX", ""),
        Path(variables.get("PORTAGE_CONFIGROOT") or "/"),
        Path(variables["PORTAGE_BUILDDIR"], "build-info"),
        f"{variables['CATEGORY']}/{variables['PF']}",
        f"{variables['CATEGORY']}/{variables['PN']}",
    )


def given_environment(process: int) -> dict[str, str]:
    """The environment with which ``process`` was started, without what scripts have sourced later.

    A binary package contains the environment of the host that built it, which must not decide here. Raises OSError.
    """
    with open(f"/proc/{process}/environ", "rb") as file:
        entries = os.fsdecode(file.read(ENVIRONMENT_SIZE)).split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)

"""The choices for one run of a command that makes releases, which the command knows before it imports the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from portage_ext.records import record


@record
class Overrides:
    """The choices for one run. What is not chosen comes from portage-ext.toml.

    ``tree`` is the place of a tree, ``repository`` one of [repository.NAME]; ``key`` a whole fingerprint and ``homedir`` a gpg
    home; ``gates`` are names of gates, which then also check the live release. ``at_once``: no package waits for a toolchain.
    """

    tree: Path | None = None
    repository: str | None = None
    key: str | None = None
    homedir: Path | None = None
    gates: Sequence[str] | None = None
    at_once: bool = False


NONE: Final = Overrides()

"""Before a binary's files reach the root: its image against the live system. Started by ``bashrc.d/50-preinst-guard.bash``.

Exit status 3 is a proven break; anything else lets the merge go on. The image is judged and not the contract that came with
it, so that packages of any binhost, and of ``--nodeps``, are held to the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from portage_ext.config.toolchain import Mode, configured_mode, mode_in
from portage_ext.elf.system import System
from portage_ext.elf.tree import read_image
from portage_ext.errors import ToolchainModeError
from portage_ext.hooks.phase import Phase, given_environment, phase_of
from portage_ext.limits import METADATA_VALUE
from portage_ext.model.contract import Library
from portage_ext.toolchain.plan import needs_of
from portage_ext.toolchain.refusal import Ways, unmet

EXIT_REFUSED: Final = 3


def refusals(phase: Phase) -> list[str]:
    """One text for each need of the image that the live system does not meet. Raises OSError."""
    objects = read_image(phase.image, eprefix=phase.eprefix)
    if not objects.found:
        return []
    system = System(phase.root, phase.eprefix)
    contract = objects.contract(eprefix=phase.eprefix, public=system.directories)
    texts = []
    for need, search in needs_of(contract):
        if not system.holds(need, search):
            found = bool(system.candidates(need.library, search))
            ways = Ways(_owners(phase, need.library), system.unselected(need))
            texts.append(unmet(phase.name, phase.cp, need, system.missing(need, search), found=found, ways=ways))
    return texts


def _owners(phase: Phase, library: Library) -> list[str]:
    """The installed packages (category/name) that say they provide ``library``."""
    category, soname = library
    found = set()
    for path in Path(f"{phase.root}{phase.eprefix}/var/db/pkg").glob("*/*/PROVIDES"):
        with open(path, "rb") as file:
            words = file.read(METADATA_VALUE).decode("utf-8", "replace").split()
        if f"{category}:" in words and soname in words:
            pn = path.parent.name.rsplit("-", 2 if path.parent.name.rpartition("-")[2].startswith("r") else 1)[0]
            found.add(f"{path.parents[1].name}/{pn}")
    return sorted(found)


def mode(phase: Phase, variables: Mapping[str, str]) -> Mode:
    """What ``variables`` say, else the configuration. A slip is said, and the guard stands."""
    try:
        return mode_in(variables) or configured_mode(phase.config_root)
    except ToolchainModeError as error:
        print(f"portage-ext: {error}", file=sys.stderr)
        return Mode.ENFORCE


def main() -> int:
    phase = phase_of(os.environ)
    strictness = mode(phase, given_environment(os.getppid()))
    if strictness is Mode.OFF:
        return 0
    texts = refusals(phase)
    for text in texts:
        print(f"portage-ext: {text}", file=sys.stderr)
    return EXIT_REFUSED if texts and strictness is Mode.ENFORCE else 0


if __name__ == "__main__":
    sys.exit(main())

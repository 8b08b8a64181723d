"""Check the image of a binary against the live system before it is merged. Started by ``bashrc.d/50-preinst-guard.bash``.

Exit status 3 means a proven break, which standard error describes; with any other status the merge goes on, and the lines on
standard output are warnings. The guard checks the image and not the recorded
contract, so that the same rules apply to packages of every binhost and with ``--nodeps``.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from typing import Final

from portage_ext import shown
from portage_ext.config.toolchain import Mode, configured_mode, mode_in
from portage_ext.elf.system import System
from portage_ext.elf.tree import read_image
from portage_ext.errors import ToolchainModeError
from portage_ext.hooks.owners import Owners
from portage_ext.hooks.phase import Phase, given_environment, phase_of
from portage_ext.toolchain.plan import needs_of
from portage_ext.toolchain.refusal import Ways, elsewhere_only, unmet

EXIT_REFUSED: Final = 3


def examine(phase: Phase) -> tuple[list[str], list[str]]:
    """The needs of the image that the live system does not meet, as texts: those that refuse, and those that warn.

    A library of a dependency is never proven to be missing: a script may lead to it. But a program that has a search path of
    its own (RUNPATH) needs no such script, so that a library outside that path deserves a warning. Raises OSError.
    """
    objects = read_image(phase.image, eprefix=phase.eprefix)
    if not objects.found:
        return [], []
    system = System(phase.root, phase.eprefix)
    contract = objects.contract(eprefix=phase.eprefix, public=system.directories)
    owners = Owners(phase)
    refusals, warnings = [], []
    for need, search in needs_of(contract):
        if system.holds(need, search):
            continue
        elsewhere = owners.privately(system, need)
        if elsewhere is None:
            found = bool(system.candidates(need.library, search))
            ways = Ways(owners.of(need.library), system.unselected(need))
            refusals.append(unmet(phase.name, phase.cp, need, system.missing(need, search), found=found, ways=ways))
        elif search:
            warnings.append(elsewhere_only(phase.name, phase.cp, need, elsewhere, search))
    return refusals, warnings


def mode(phase: Phase, variables: Mapping[str, str]) -> Mode:
    """The mode in ``variables``, else in the configuration. A wrong value is reported, and the guard stays on."""
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
    refusals, warnings = examine(phase)
    for text in refusals:
        print(f"portage-ext: {shown.text(text)}", file=sys.stderr)
    # A path that this locale cannot write must not turn a refusal into a guard that failed.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    for text in warnings:
        print(f"portage-ext: {shown.text(text)}")
    return EXIT_REFUSED if refusals and strictness is Mode.ENFORCE else 0


if __name__ == "__main__":
    sys.exit(main())

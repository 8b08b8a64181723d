"""After src_install, write the contract of the image beside REQUIRES and PROVIDES, so that it gets into gpkg and vdb.

Started by ``bashrc.d/10-record-contract.bash``. A package without ELF objects gets no file.
"""

from __future__ import annotations

import fnmatch
import os
import sys

from portage_ext.elf.system import System
from portage_ext.elf.tree import Objects, read_image
from portage_ext.files import replace_file
from portage_ext.hooks.phase import Phase, phase_of
from portage_ext.limits import CONFIG_FILE_SIZE, CONTRACT_SIZE
from portage_ext.model.contract import KEY, Library


def record(phase: Phase) -> None:
    """Compute and write. Raises OSError."""
    objects = read_image(phase.image, eprefix=phase.eprefix)
    target = phase.build_info / KEY
    if not objects.found:
        target.unlink(missing_ok=True)
        return
    optional = _excluded(phase, objects)
    contract = objects.contract(eprefix=phase.eprefix, public=System(phase.root, phase.eprefix).directories, optional=optional)
    text = str(contract.portable(phase.eprefix))
    # No reader accepts a longer contract, and it would keep the package out of every index.
    if contract and len(text) <= CONTRACT_SIZE:
        replace_file(target, f"{text}\n".encode())
    else:
        target.unlink(missing_ok=True)


def _excluded(phase: Phase, objects: Objects) -> set[Library]:
    """The libraries that REQUIRES_EXCLUDE (ebuild(5)) removes from the package's requirements."""
    try:
        with open(phase.build_info / "REQUIRES_EXCLUDE", "rb") as file:
            patterns = file.read(CONFIG_FILE_SIZE).decode("utf-8", "replace").split()
    except FileNotFoundError:
        return set()
    needed = {(one.category, soname) for one in objects.found.values() for soname in (*one.needed, *one.versions)}
    excluded = set()
    for pattern in patterns:
        category, colon, glob = pattern.partition(":")
        if not colon:
            category, glob = "*", pattern
        excluded |= {library for library in needed if category in ("*", library[0]) and fnmatch.fnmatchcase(library[1], glob)}
    return excluded


def main() -> int:
    record(phase_of(os.environ))
    return 0


if __name__ == "__main__":
    sys.exit(main())

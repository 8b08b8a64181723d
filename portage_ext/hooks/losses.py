"""Which installed packages need what a package built from source no longer defines. Started by ``60-lost-versions.bash``.

It only warns, because Portage may rebuild these packages later in the same run. It ignores libraries that preserve-libs keeps
and packages that do not run today. It uses recorded contracts, so packages without a contract are not named.
"""

from __future__ import annotations

import os
import posixpath
import sys
from pathlib import Path

from portage_ext import shown
from portage_ext.config.toolchain import Mode
from portage_ext.elf.system import System
from portage_ext.elf.tree import read_image
from portage_ext.errors import InvalidContractError
from portage_ext.hooks.guard import mode
from portage_ext.hooks.owners import objects
from portage_ext.hooks.phase import Phase, phase_of
from portage_ext.limits import CONTRACT_SIZE
from portage_ext.model.contract import KEY, Library, SymbolContract
from portage_ext.toolchain.plan import User, needs_of
from portage_ext.toolchain.refusal import source_breaks
from portage_ext.toolchain.removal import Broken, broken


class _Installed(System):
    """The current system, and the installed packages that need one of ``libraries``."""

    def __init__(self, phase: Phase, vdb: Path, libraries: frozenset[Library]) -> None:
        super().__init__(phase.root, phase.eprefix)
        self._users: dict[Library, list[User]] = {library: [] for library in libraries}
        for path in sorted(vdb.glob(f"*/*/{KEY}")):
            name = f"{path.parents[1].name}/{path.parent.name}"
            for need, search in needs_of(_recorded(path, phase.eprefix) or SymbolContract()):
                if need.library in libraries and not path.parent.name.startswith("-MERGING-"):
                    self._users[need.library].append(User(name, need, search))

    def users(self, library: Library) -> list[User]:
        return self._users[library]


class _After(System):
    """The system after what ``contract`` defines has replaced the objects of ``gone`` (entries of the vdb)."""

    def __init__(self, phase: Phase, gone: list[Path], contract: SymbolContract) -> None:
        super().__init__(phase.root, phase.eprefix, without=[path for entry in gone for path, _ in objects(entry)])
        self._defines = contract.defines

    def candidates(self, library: Library, search: tuple[str, ...] = ()) -> tuple[frozenset[str], ...]:
        new = (self._defines[library],) if library in self._defines else ()
        return *super().candidates(library, search), *new


def losses(phase: Phase, versions: list[str], *, preserves: bool) -> list[Broken]:
    """What the image breaks when it replaces the installed ``versions`` of its package. Raises OSError."""
    vdb = Path(f"{phase.root}{phase.eprefix}/var/db/pkg")
    gone = [vdb / f"{phase.cp}-{version}" for version in versions]
    contract = _contract(phase)
    lost = [
        (phase.name, library)
        for entry in gone
        for library, defined in (_recorded(entry / KEY, phase.eprefix) or SymbolContract()).defines.items()
        if library not in contract.defines or (contract.defines[library] and not defined <= contract.defines[library])
    ]
    if not lost:
        return []
    installed = _Installed(phase, vdb, frozenset(library for _, library in lost))
    names = {f"{entry.parent.name}/{entry.name}" for entry in gone}

    def kept(library: Library) -> bool:
        # As far as Portage's map of libraries knows where they are looked for.
        known = {*installed.announced, *(place for user in installed.users(library) for place in user.search)}
        places = {posixpath.dirname(path) for entry in gone for path, other in objects(entry) if other == library}
        return preserves and not known.isdisjoint(places)

    return list(broken(lost, names, installed, _After(phase, gone, contract), preserves=kept))


def _contract(phase: Phase) -> SymbolContract:
    recorded = _recorded(phase.build_info / KEY, phase.eprefix)
    if recorded is not None:
        return recorded
    public = System(phase.root, phase.eprefix).directories
    return read_image(phase.image, eprefix=phase.eprefix).contract(eprefix=phase.eprefix, public=public)


def _recorded(path: Path, eprefix: str) -> SymbolContract | None:
    """The contract in ``path``; None if there is none or if it cannot be read, which is reported."""
    try:
        with open(path, "rb") as file:
            return SymbolContract.parse(file.read(CONTRACT_SIZE + 1).decode("utf-8", "replace")).placed(eprefix)
    except FileNotFoundError:
        return None
    except InvalidContractError as error:
        print(shown.line(f"portage-ext: skipping {path}: {error}"), file=sys.stderr)
        return None


def main() -> int:
    phase = phase_of(os.environ)
    # Unlike that of a binary, this environment comes from this host.
    if mode(phase, os.environ) is not Mode.OFF:
        preserves = "preserve-libs" in os.environ.get("FEATURES", "").split()
        found = losses(phase, os.environ.get("REPLACING_VERSIONS", "").split(), preserves=preserves)
        if found:
            print(shown.text(source_breaks(phase.name, [(one.victim, one.need, one.missing, one.found) for one in found])))
    return 0


if __name__ == "__main__":
    sys.exit(main())

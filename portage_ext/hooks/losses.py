"""Which installed packages need what a package built from source no longer defines. Started by ``60-lost-versions.bash``.

It only warns, because Portage may rebuild these packages later in the same run. It ignores libraries that preserve-libs keeps
and packages that do not run today. It uses recorded contracts, so packages without a contract are not named. Libraries in
private directories count for programs that find them by RUNPATH, or in a dependency, where a script may lead.
"""

from __future__ import annotations

import os
import posixpath
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from portage_ext import shown
from portage_ext.config.toolchain import Mode
from portage_ext.elf.system import System
from portage_ext.elf.tree import read_image
from portage_ext.errors import InvalidContractError
from portage_ext.hooks.guard import mode
from portage_ext.hooks.owners import Owners, objects
from portage_ext.hooks.phase import Phase, phase_of
from portage_ext.limits import CONTRACT_SIZE
from portage_ext.model.contract import ANY, KEY, Library, Need, Placed, SymbolContract
from portage_ext.toolchain.plan import User, needs_of
from portage_ext.toolchain.refusal import source_breaks
from portage_ext.toolchain.removal import Broken, broken
from portage_ext.toolchain.simulated import meets


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
        self.private = _private(self, contract, [])

    def candidates(self, library: Library, search: tuple[str, ...] = ()) -> tuple[frozenset[str], ...]:
        category, soname = library
        directory, slash, name = soname.rpartition("/")
        places = {directory} if slash else {*map(self.canonical, search), *self.everybodys}
        names = ((category, name), (category, ANY))
        new = [defined for (place, one), defined in self.private.items() if place in places and one in names]
        if library in self._defines:
            new.append(self._defines[library])
        return *super().candidates(library, search), *new

    def privately(self, need: Need) -> bool:
        """Whether the new package has in a directory of its own what may meet ``need``."""
        names = (need.library, (need.category, ANY))
        return any(one in names and meets(need, defined) for (_, one), defined in self.private.items())


def losses(phase: Phase, versions: list[str], *, preserves: bool) -> list[Broken]:
    """What the image breaks when it replaces the installed ``versions`` of its package. Raises OSError."""
    vdb = Path(f"{phase.root}{phase.eprefix}/var/db/pkg")
    gone = [vdb / f"{phase.cp}-{version}" for version in versions]
    contract = _contract(phase)
    after = _After(phase, gone, contract)
    lost = [(phase.name, library) for entry in gone for library in _lost(phase, entry, contract, after)]
    if not lost:
        return []
    installed = _Installed(phase, vdb, frozenset(library for _, library in lost))
    names = {f"{entry.parent.name}/{entry.name}" for entry in gone}
    owners = Owners(phase)

    def kept(library: Library) -> bool:
        # As far as Portage's map of libraries knows where they are looked for.
        known = {*installed.announced, *(place for user in installed.users(library) for place in user.search)}
        places = {posixpath.dirname(path) for entry in gone for path, other in objects(entry) if other == library}
        return preserves and not {*map(installed.canonical, known)}.isdisjoint(map(installed.canonical, places))

    def elsewhere(victim: str, need: Need, without: Collection[str]) -> bool:
        needed = owners.needed_by(vdb / victim)
        if owners.having(installed, need, needed, without) is not None:
            return True
        return bool(without) and phase.cp in needed and after.privately(need)

    return list(broken(lost, names, installed, after, preserves=kept, elsewhere=elsewhere))


def _lost(phase: Phase, entry: Path, contract: SymbolContract, after: _After) -> Iterator[Library]:
    """What the installed package of ``entry`` defines and ``contract`` does not, or not all of it; some more than once."""
    old = _recorded(entry / KEY, phase.eprefix) or SymbolContract()
    for library, defined in old.defines.items():
        if library not in contract.defines or not _covers(contract.defines[library], defined):
            yield library
    if contract.private is None:
        return
    for (place, library), defined in _private(System(phase.root, phase.eprefix), old, [entry]).items():
        new = after.private.get((place, library))
        if (place, (library[0], ANY)) not in after.private and (new is None or not _covers(new, defined)):
            yield library
            yield library[0], f"{place}/{library[1]}"


def _covers(new: frozenset[str], old: frozenset[str]) -> bool:
    return not new or old <= new


def _private(system: System, contract: SymbolContract, entries: list[Path]) -> dict[Placed, frozenset[str]]:
    """The private libraries of ``contract`` with each directory by its one name; those it does not list, from ``entries``."""
    found = {}
    for (directory, library), defined in (contract.private or {}).items():
        found[system.canonical(directory), library] = defined
        for path, other in (one for entry in entries if library[1] == ANY for one in objects(entry)):
            if posixpath.dirname(path) == directory and other[0] == library[0]:
                defines = system.at((other[0], posixpath.basename(path)), directory)
                if defines is not None:
                    found[system.canonical(directory), other] = defines
    return found


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

"""This runs in a cage with the Portage of the environment and prints what would be built there, and from which ingredients.

The list comes from Portage's resolver: the packages that emerge would merge for the request are built, in the same order. If a
package needs another one to build that is not installed, that one comes before it in the list. It is then an ingredient with
the values of the list, and its job comes first. This is the only module of this room that imports Portage.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from portage_ext import limits
from portage_ext.errors import PortageExtError, ResolutionError
from portage_ext.explain.resolution import resolve
from portage_ext.shown import line
from portage_ext.targets.allowed import VARIABLES

OPTIONS: Final = ("--ignore-default-opts", "--oneshot", "--usepkg=n", "--getbinpkg=n", "--with-bdeps=y")
SETS: Final = ("--update", "--deep", "--newuse")
"""Options for a set: only packages that an update of the set would change are built."""
_FEATURES: Final = frozenset(
    ("binpkg-docompress", "binpkg-dostrip", "compressdebug", "dedupdebug", "installsources", "nodoc", "noinfo", "noman",
     "nostrip", "packdebug", "separatedebug", "splitdebug", "test", "xattr")
)  # fmt: skip
"""The FEATURES that change the content of a package (make.conf(5))."""
_NOT_INGREDIENTS: Final = frozenset(
    ("ACCEPT_CHOSTS", "ACCEPT_KEYWORDS", "ACCEPT_LICENSE", "ACCEPT_PROPERTIES", "ACCEPT_RESTRICT", "COLLISION_IGNORE",
     "COMMON_FLAGS", "CONFIG_PROTECT", "CONFIG_PROTECT_MASK", "FEATURES", "UNINSTALL_IGNORE", "USE")
)  # fmt: skip
"""Variables of a target that do not decide how a package is built, only which package is chosen or merged. USE is here because
each flag is recorded separately."""
_INGREDIENTS: Final = sorted(VARIABLES - _NOT_INGREDIENTS)
_TOOLCHAIN: Final = (
    "llvm-core/clang",
    "llvm-core/lld",
    "sys-devel/binutils",
    "sys-devel/gcc",
    "sys-libs/glibc",
    "sys-libs/musl",
)
_OF_INSTALLED: Final = ("SLOT", "BUILD_ID", "USE", "RDEPEND", "IDEPEND")


def main() -> int:
    """Print the plan for the atoms on the command line, as ``builds/key.parse`` reads it."""
    atoms = sys.argv[1:]
    # Errors are part of the output, and the exit status is 0, because results are copied out of the cage only after success.
    try:
        plan = planned(atoms)
    except ResolutionError as error:
        plan = {"unresolved": error.said}
    except (PortageExtError, OSError) as error:
        plan = {"error": line(str(error).replace("\n", "; "))}
    # Unlike json.dump, this uses the encoder in C. A plan of hundreds of packages has megabytes.
    sys.stdout.write(json.dumps(plan))
    return 0


def planned(atoms: list[str]) -> dict[str, Any]:
    """Return ``jobs`` in the order of emerge's list. Each one ``needs`` the listed packages of the list to be built first.

    ``packages`` are the installed and listed packages that jobs depend on; a job has their places in this list. Raises
    PortageExtError, OSError.
    """
    import portage

    sets = SETS if any(atom.startswith("@") for atom in atoms) else ()
    resolution = resolve([*OPTIONS, *sets, *atoms])
    if not resolution.resolved:
        raise ResolutionError(resolution.spoken)
    system = resolution.settings
    state = _State(portage.db[system["EROOT"]]["vartree"].dbapi)
    settings = portage.config(clone=system)
    repositories = portage.db[system["EROOT"]]["porttree"].dbapi
    toolchain = list(_toolchain(state))
    jobs: list[dict[str, Any]] = []
    for package in resolution.packages:
        settings.setcpv(package)
        jobs.append(_job(package, settings, repositories, state, toolchain))
        # Packages later in the list are not yet installed when this package is built.
        state.add(package)
    return {"packages": state.packages, "jobs": jobs}


@dataclass(slots=True)
class _State:
    """What is available when a package is built: the packages before it in the list, and installed packages in other slots.

    Each of these packages has a place in ``packages``, where its name, slot and ingredient are. The places of what it needs to
    run are kept until a package is added that could change them, because the jobs of a long list need mostly the same packages.
    """

    installed: Any
    packages: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _planned: dict[str, dict[Any, int]] = field(default_factory=dict)
    """The packages of the list so far with their places, by category/name."""
    _recorded: dict[str, int] = field(default_factory=dict)
    """The places of installed packages by CPV."""
    _runtime: list[list[str]] = field(default_factory=list)
    """The tokens of the runtime dependencies of each package in ``packages``."""
    _to_run: dict[int, list[int]] = field(default_factory=dict)
    _depend_on: dict[str, set[int]] = field(default_factory=dict)
    """By category/name: the places in ``_to_run`` that have an atom for it."""

    def add(self, package: Any) -> None:
        """Add the next package of the list."""
        # The value of SLOT that the vdb will have. Its files are not known yet, so the key of its job is inserted later.
        ingredient = {"cpv": str(package.cpv), "slot": str(package._metadata["SLOT"]), "build_id": "", "contents": ""}
        place = self._placed(f"{package.cp}:{package.slot}", ingredient, _tokens(package, "RDEPEND", "IDEPEND"))
        self._planned.setdefault(package.cp, {})[package] = place
        for dependent in self._depend_on.pop(package.cp, ()):
            self._to_run.pop(dependent, None)

    def record(self, cpv: str) -> int:
        """The place of an installed package."""
        from portage.dep import use_reduce
        from portage.versions import cpv_getkey

        if cpv not in self._recorded:
            slot, build_id, use, *texts = self.installed.aux_get(cpv, list(_OF_INSTALLED))
            contents = _digest(Path(self.installed.getpath(cpv, filename="CONTENTS")))
            ingredient = {"cpv": cpv, "slot": slot, "build_id": build_id, "contents": contents}
            tokens = use_reduce(" ".join(texts), uselist=use.split(), flat=True)
            self._recorded[cpv] = self._placed(f"{cpv_getkey(cpv)}:{slot.partition('/')[0]}", ingredient, tokens)
        return self._recorded[cpv]

    def needed(self, package: Any) -> list[int]:
        """The places of the available packages that are needed to build ``package``, and of everything that those need to
        run. Raises OSError."""
        waiting = self._matches(_atoms(_tokens(package, "DEPEND", "BDEPEND")))
        seen: set[int] = set()
        while waiting:
            place = waiting.pop()
            if place not in seen:
                seen.add(place)
                waiting += self._needed_to_run(place)
        if len(seen) > limits.DEPENDENCIES:
            raise OSError(f"{package.cpv} needs more than {limits.DEPENDENCIES} packages")
        return sorted(seen)

    def planned(self, places: list[int]) -> list[str]:
        """The CPVs of those packages at ``places`` that are of the list: they have no CONTENTS yet."""
        return [self.packages[place][1]["cpv"] for place in places if not self.packages[place][1]["contents"]]

    def _needed_to_run(self, place: int) -> list[int]:
        if place not in self._to_run:
            atoms = _atoms(self._runtime[place])
            self._to_run[place] = self._matches(atoms)
            for atom in atoms:
                self._depend_on.setdefault(atom.cp, set()).add(place)
        return self._to_run[place]

    def _placed(self, name: str, ingredient: dict[str, str], tokens: list[str]) -> int:
        self.packages.append((name, ingredient))
        self._runtime.append(tokens)
        return len(self.packages) - 1

    def _matches(self, atoms: list[Any]) -> list[int]:
        from portage.dep import match_from_list

        found: list[int] = []
        for atom in atoms:
            planned = self._planned.get(atom.cp, {})
            slots = {package.slot for package in planned}
            found += (planned[package] for package in match_from_list(atom, list(planned)))
            found += (self.record(str(cpv)) for cpv in self.installed.match(atom) if cpv.slot not in slots)
        return found


def _tokens(package: Any, *keys: str) -> list[str]:
    from portage.dep import use_reduce

    tokens: list[str] = use_reduce(" ".join(package._metadata[key] for key in keys), uselist=package.use.enabled, flat=True)
    return tokens


def _atoms(tokens: list[str]) -> list[Any]:
    """The atoms among ``tokens`` of dependencies; blockers are left out."""
    from portage.dep import Atom
    from portage.exception import InvalidAtom

    found: list[Any] = []
    for token in tokens:
        try:
            atom = Atom(token, allow_repo=True).without_use
        except InvalidAtom:
            continue  # an operator such as ||
        if not atom.blocker:
            found.append(atom)
    return found


def _job(package: Any, settings: Any, repositories: Any, state: _State, toolchain: list[int]) -> dict[str, Any]:
    ebuild = Path(repositories.findname(package.cpv, myrepo=package.repo))
    enabled = package.use.enabled
    needed = state.needed(package)
    job = {
        "cpv": str(package.cpv),
        "ebuild": dict(_ebuild(package, ebuild, settings)),
        "use": {flag: "on" if flag in enabled else "off" for flag in sorted(package.iuse.all)},
        "variables": dict(_variables(settings)),
        "dependencies": needed,
        "toolchain": toolchain,
        "distfiles": dict(_distfiles(package, repositories, ebuild, enabled)),
    }
    return {"job": job, "needs": state.planned(needed)}


def _ebuild(package: Any, ebuild: Path, settings: Any) -> Iterator[tuple[str, str]]:
    from portage.versions import catpkgsplit

    yield "cpv", str(package.cpv)
    yield "slot", f"{package.slot}/{package.sub_slot}"
    yield "repository", str(package.repo)
    yield "EAPI", str(package.eapi)
    yield "ebuild", _digest(ebuild)
    repository = settings.repositories[package.repo]
    for name in sorted(package.inherited):
        eclass = repository.eclass_db.eclasses.get(name)
        if eclass is not None:
            yield f"eclass {name}", _digest(Path(eclass.location))
    yield from _tree("files", ebuild.parent / "files")
    config = Path(settings["PORTAGE_CONFIGROOT"]) / "etc/portage"
    # As in eapply_user of phase-helpers.sh: these directories are searched in this order, and the first that exists is used.
    category, pn, version, revision = catpkgsplit(package.cpv)
    patches = config / "patches" / category
    for stem in (f"{pn}-{version}-{revision}", f"{pn}-{version}", pn) if _is_there(patches) else ():
        for name in (stem, f"{stem}:{package.slot}"):
            yield from _tree(f"patches {name}", patches / name)
    for path in _bashrcs(package, settings, config):
        yield f"bashrc {path.name}", _digest(path)


def _bashrcs(package: Any, settings: Any, config: Path) -> Iterator[Path]:
    from portage.versions import catpkgsplit

    yield from _bashrcs_of_all(tuple(settings.profiles), config)
    category, pn, version, _ = catpkgsplit(package.cpv)
    place = config / "env" / category
    for name in dict.fromkeys((pn, f"{pn}:{package.slot}", f"{pn}-{version}", package.pf)) if _is_there(place) else ():
        if (path := place / name).is_file():
            yield path


@functools.cache
def _bashrcs_of_all(profiles: tuple[str, ...], config: Path) -> list[Path]:
    return [path for path in (*(Path(one) / "profile.bashrc" for one in profiles), config / "bashrc") if path.is_file()]


@functools.cache
def _is_there(directory: Path) -> bool:
    """Asked for each package of a plan about a few directories that most systems do not have."""
    return directory.is_dir()


def _tree(name: str, directory: Path) -> Iterator[tuple[str, str]]:
    """Yield one digest over all files below ``directory``; nothing if there are none."""
    if not directory.is_dir():
        return
    total = hashlib.blake2b(digest_size=32)
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    for path in files:
        total.update(f"{path.relative_to(directory)}\0{_digest(path)}\n".encode("utf-8", "surrogateescape"))
    if files:
        yield name, total.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()


def _variables(settings: Any) -> Iterator[tuple[str, str]]:
    # Most of them are not set: a look into all names at once is faster than the search for each.
    present = set(settings)
    for name in _INGREDIENTS:
        if name in present and (words := settings.get(name, "").split()):
            yield name, " ".join(words)
    # Files of a prefix have its path in them.
    if settings["EPREFIX"]:
        yield "EPREFIX", settings["EPREFIX"]
    features = sorted(_FEATURES & set(settings.features))
    if features:
        yield "FEATURES", " ".join(features)


def _toolchain(state: _State) -> Iterator[int]:
    for name in _TOOLCHAIN:
        for cpv in state.installed.match(name):
            yield state.record(str(cpv))


def _distfiles(package: Any, repositories: Any, ebuild: Path, enabled: Any) -> Iterator[tuple[str, str]]:
    names = repositories.getFetchMap(package.cpv, useflags=enabled, mytree=os.path.dirname(os.path.dirname(ebuild.parent)))
    if not names:
        return
    digests = repositories.repositories[package.repo].load_manifest(str(ebuild.parent), None).getTypeDigests("DIST")
    for name in sorted(names):
        known = digests.get(name, {})
        yield name, known.get("BLAKE2B") or known.get("SHA512") or f"size {known.get('size', 'unknown')}"


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # The cage is removed as a whole. To free the memory of a large plan before would take a tenth of the time.
    os._exit(status)

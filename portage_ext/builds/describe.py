"""This runs in a cage with the Portage of the environment and prints what would be built there, and from which ingredients.

The list comes from Portage's resolver: the packages that emerge would merge for the request are built, in the same order. If a
package needs another one to build that is not installed, that one comes before it in the list. It is then an ingredient with
the values of the list, and its job comes first. This is the only module of this room that imports Portage.
"""

from __future__ import annotations

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
    answer = sys.stdout
    try:
        plan = planned(atoms)
    except (PortageExtError, OSError) as error:
        # Report this in the output and exit normally, because results are copied out of the cage only after success.
        plan = {"error": line(str(error).replace("\n", "; "))}
    json.dump(plan, answer)
    return 0


def planned(atoms: list[str]) -> dict[str, Any]:
    """Return ``jobs`` in the order of emerge's list. Each one ``needs`` the listed packages of the list to be built first.

    Raises PortageExtError, OSError.
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
    toolchain = dict(_toolchain(state))
    jobs: list[dict[str, Any]] = []
    for package in resolution.packages:
        settings.setcpv(package)
        jobs.append(_job(package, settings, repositories, state, toolchain))
        # Packages later in the list are not yet installed when this package is built.
        state.planned.append(package)
    return {"jobs": jobs}


@dataclass(slots=True)
class _State:
    """What is available when a package is built: the packages before it in the list, and installed packages in other slots."""

    installed: Any
    planned: list[Any] = field(default_factory=list)
    _known: dict[str, tuple[dict[str, str], list[str]]] = field(default_factory=dict)

    def record(self, cpv: str) -> tuple[dict[str, str], list[str]]:
        """The ingredient for an installed package, and the tokens of its runtime dependencies."""
        from portage.dep import use_reduce

        if cpv not in self._known:
            slot, build_id, use, *texts = self.installed.aux_get(cpv, list(_OF_INSTALLED))
            contents = _digest(Path(self.installed.getpath(cpv, filename="CONTENTS")))
            ingredient = {"cpv": cpv, "slot": slot, "build_id": build_id, "contents": contents}
            self._known[cpv] = ingredient, use_reduce(" ".join(texts), uselist=use.split(), flat=True)
        return self._known[cpv]

    def matches(self, tokens: list[str]) -> list[Any]:
        """The packages of the list and the CPVs of installed packages that match any atom in ``tokens``."""
        from portage.dep import Atom, match_from_list
        from portage.exception import InvalidAtom

        found: list[Any] = []
        slots = {(package.cp, package.slot) for package in self.planned}
        for token in tokens:
            try:
                atom = Atom(token, allow_repo=True).without_use
            except InvalidAtom:
                continue  # an operator such as ||
            if atom.blocker:
                continue
            found += match_from_list(atom, self.planned)
            for cpv in self.installed.match(atom):
                if (cpv.cp, cpv.slot) not in slots:
                    found.append(str(cpv))
        return found


def _job(package: Any, settings: Any, repositories: Any, state: _State, toolchain: dict[str, dict[str, str]]) -> dict[str, Any]:
    ebuild = Path(repositories.findname(package.cpv, myrepo=package.repo))
    enabled = package.use.enabled
    needs: list[str] = []
    job = {
        "cpv": str(package.cpv),
        "ebuild": dict(_ebuild(package, ebuild, settings)),
        "use": {flag: "on" if flag in enabled else "off" for flag in sorted(package.iuse.all)},
        "variables": dict(_variables(settings)),
        "dependencies": dict(_dependencies(package, state, needs)),
        "toolchain": toolchain,
        "distfiles": dict(_distfiles(package, repositories, ebuild, enabled)),
    }
    return {"job": job, "needs": needs}


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
    for stem in (f"{pn}-{version}-{revision}", f"{pn}-{version}", pn):
        for name in (stem, f"{stem}:{package.slot}"):
            yield from _tree(f"patches {name}", config / "patches" / category / name)
    for path in _bashrcs(package, settings, config):
        yield f"bashrc {path.name}", _digest(path)


def _bashrcs(package: Any, settings: Any, config: Path) -> Iterator[Path]:
    from portage.versions import catpkgsplit

    category, pn, version, _ = catpkgsplit(package.cpv)
    names = dict.fromkeys((pn, f"{pn}:{package.slot}", f"{pn}-{version}", package.pf))
    profile = [Path(path) / "profile.bashrc" for path in settings.profiles]
    for path in (*profile, config / "bashrc", *(config / "env" / category / name for name in names)):
        if path.is_file():
            yield path


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
    for name in sorted(VARIABLES - _NOT_INGREDIENTS):
        if words := settings.get(name, "").split():
            yield name, " ".join(words)
    features = sorted(_FEATURES & set(settings.features))
    if features:
        yield "FEATURES", " ".join(features)


def _dependencies(package: Any, state: _State, needs: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the available packages that are needed to build, and everything that those need to run.

    Packages of the list are added to ``needs``. Their files are not known yet, so the keys of their jobs are inserted later.
    """
    from portage.dep import use_reduce

    def needed(of: Any, *keys: str) -> list[Any]:
        text = " ".join(of._metadata[key] for key in keys)
        return state.matches(use_reduce(text, uselist=of.use.enabled, flat=True))

    waiting = needed(package, "DEPEND", "BDEPEND")
    seen: set[str] = set()
    while waiting:
        one = waiting.pop()
        cpv = str(one if isinstance(one, str) else one.cpv)
        if cpv in seen:
            continue
        seen.add(cpv)
        if len(seen) > limits.DEPENDENCIES:
            raise OSError(f"{package.cpv} needs more than {limits.DEPENDENCIES} packages")
        if isinstance(one, str):
            ingredient, tokens = state.record(cpv)
            yield f"{_cp(cpv)}:{ingredient['slot'].partition('/')[0]}", ingredient
            waiting += state.matches(tokens)
        else:
            needs.append(cpv)
            # The value of SLOT that the vdb will have.
            yield f"{one.cp}:{one.slot}", {"cpv": cpv, "slot": str(one._metadata["SLOT"]), "build_id": "", "contents": ""}
            waiting += needed(one, "RDEPEND", "IDEPEND")


def _toolchain(state: _State) -> Iterator[tuple[str, dict[str, str]]]:
    for name in _TOOLCHAIN:
        for cpv in map(str, state.installed.match(name)):
            ingredient, _ = state.record(cpv)
            yield f"{name}:{ingredient['slot'].partition('/')[0]}", ingredient


def _cp(cpv: str) -> str:
    from portage.versions import cpv_getkey

    return str(cpv_getkey(cpv))


def _distfiles(package: Any, repositories: Any, ebuild: Path, enabled: Any) -> Iterator[tuple[str, str]]:
    names = repositories.getFetchMap(package.cpv, useflags=enabled, mytree=os.path.dirname(os.path.dirname(ebuild.parent)))
    digests = repositories.repositories[package.repo].load_manifest(str(ebuild.parent), None).getTypeDigests("DIST")
    for name in sorted(names):
        known = digests.get(name, {})
        yield name, known.get("BLAKE2B") or known.get("SHA512") or f"size {known.get('size', 'unknown')}"


if __name__ == "__main__":
    sys.exit(main())

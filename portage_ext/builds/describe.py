"""Runs inside a cage, with the Portage of the environment: what would be built there, and out of which ingredients.

The resolver itself is the source of the list: ``emerge --buildpkgonly`` builds nothing of which a dependency is not installed,
so a package that it would have to merge first is *missing*, and named. This is the only module of this room that asks Portage.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from portage_ext import limits
from portage_ext.errors import PortageExtError, ResolutionError
from portage_ext.explain.resolution import resolve
from portage_ext.shown import line
from portage_ext.targets.allowed import VARIABLES

OPTIONS: Final = ("--ignore-default-opts", "--oneshot", "--usepkg=n", "--getbinpkg=n", "--with-bdeps=y")
_FEATURES: Final = frozenset(
    ("binpkg-docompress", "binpkg-dostrip", "compressdebug", "dedupdebug", "installsources", "nodoc", "noinfo", "noman",
     "nostrip", "packdebug", "separatedebug", "splitdebug", "test", "xattr")
)  # fmt: skip
"""Those that change what is in a package (make.conf(5))."""
_NOT_INGREDIENTS: Final = frozenset(
    ("ACCEPT_CHOSTS", "ACCEPT_KEYWORDS", "ACCEPT_LICENSE", "ACCEPT_PROPERTIES", "ACCEPT_RESTRICT", "COLLISION_IGNORE",
     "COMMON_FLAGS", "CONFIG_PROTECT", "CONFIG_PROTECT_MASK", "FEATURES", "UNINSTALL_IGNORE", "USE")
)  # fmt: skip
"""Variables of a target that decide what is chosen or merged, not what is built; USE counts flag by flag."""
_TOOLCHAIN: Final = (
    "llvm-core/clang",
    "llvm-core/lld",
    "sys-devel/binutils",
    "sys-devel/gcc",
    "sys-libs/glibc",
    "sys-libs/musl",
)
_OF_INSTALLED: Final = ("SLOT", "BUILD_ID", "RDEPEND", "IDEPEND")


def main() -> int:
    """Print the plan for the atoms on the command line, as ``builds/key.parse`` reads it."""
    atoms = sys.argv[1:]
    answer = sys.stdout
    try:
        plan = planned(atoms)
    except (PortageExtError, OSError) as error:
        # A plan that cannot be made is an answer, too: the cage hands out what a command leaves that ended well.
        plan = {"error": line(str(error).replace("\n", "; "))}
    json.dump(plan, answer)
    return 0


def planned(atoms: list[str]) -> dict[str, Any]:
    """``jobs`` for what was asked for, ``missing`` for what would have to be merged before. Raises PortageExtError, OSError."""
    from portage.dep import Atom, match_from_list

    wanted = [Atom(atom, allow_repo=True) for atom in atoms]

    def asked(package: Any) -> bool:
        return any(match_from_list(atom, [package]) for atom in wanted)

    resolution = resolve([*OPTIONS, "--buildpkgonly", *atoms])
    if not resolution.resolved:
        # emerge does not say which dependency is not merged; the list of an ordinary emerge has it.
        missing = [str(package.cpv) for package in resolve([*OPTIONS, *atoms]).packages if not asked(package)]
        if not missing:
            raise ResolutionError(resolution.spoken)
        return {"jobs": [], "missing": missing}
    jobs = [_job(package, resolution.settings) for package in resolution.packages if asked(package)]
    return {"jobs": jobs, "missing": []}


def _job(package: Any, system: Any) -> dict[str, Any]:
    import portage

    settings = portage.config(clone=system)
    settings.setcpv(package)
    repositories = portage.db[settings["EROOT"]]["porttree"].dbapi
    ebuild = Path(repositories.findname(package.cpv, myrepo=package.repo))
    installed = portage.db[settings["EROOT"]]["vartree"].dbapi
    enabled = package.use.enabled
    return {
        "cpv": str(package.cpv),
        "ebuild": dict(_ebuild(package, ebuild, settings)),
        "use": {flag: "on" if flag in enabled else "off" for flag in sorted(package.iuse.all)},
        "variables": dict(_variables(settings)),
        "dependencies": dict(_dependencies(package, installed, settings)),
        "toolchain": dict(_toolchain(installed)),
        "distfiles": dict(_distfiles(package, repositories, ebuild, enabled)),
    }


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
    # phase-helpers.sh, eapply_user: these directories in this order, the first that exists is used for each.
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
    """One digest for all files below ``directory``; nothing where there are none."""
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


def _dependencies(package: Any, installed: Any, settings: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """What is installed of the dependencies that are needed to build, and of all that those need to run."""
    from portage.dep import use_reduce

    keys = ("DEPEND", "BDEPEND")
    text = " ".join(package._metadata[key] for key in keys)
    waiting = _matches(use_reduce(text, uselist=package.use.enabled, flat=True, token_class=None), installed)
    seen: set[str] = set()
    while waiting:
        cpv = waiting.pop()
        if cpv in seen:
            continue
        seen.add(cpv)
        if len(seen) > limits.DEPENDENCIES:
            raise OSError(f"{package.cpv} needs more than {limits.DEPENDENCIES} packages")
        slot, build_id, *needs = installed.aux_get(cpv, list(_OF_INSTALLED))
        yield f"{_cp(cpv)}:{slot.partition('/')[0]}", _installed(cpv, slot, build_id, installed)
        waiting += _matches(use_reduce(" ".join(needs), flat=True, matchall=False, uselist=_use(cpv, installed)), installed)


def _use(cpv: str, installed: Any) -> list[str]:
    return list(installed.aux_get(cpv, ["USE"])[0].split())


def _matches(tokens: list[str], installed: Any) -> list[str]:
    """The installed packages that any of the atoms among ``tokens`` matches."""
    from portage.dep import Atom
    from portage.exception import InvalidAtom

    found: list[str] = []
    for token in tokens:
        try:
            atom = Atom(token, allow_repo=True)
        except InvalidAtom:
            continue  # an operator such as ||
        if not atom.blocker:
            found += map(str, installed.match(atom.without_use))
    return found


def _toolchain(installed: Any) -> Iterator[tuple[str, dict[str, str]]]:
    for name in _TOOLCHAIN:
        for cpv in map(str, installed.match(name)):
            slot, build_id = installed.aux_get(cpv, ["SLOT", "BUILD_ID"])
            yield f"{name}:{slot.partition('/')[0]}", _installed(cpv, slot, build_id, installed)


def _installed(cpv: str, slot: str, build_id: str, installed: Any) -> dict[str, str]:
    contents = Path(installed.getpath(cpv, filename="CONTENTS"))
    return {"cpv": cpv, "slot": slot, "build_id": build_id, "contents": _digest(contents)}


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

"""Objections to a candidate: masks, options, entries of package.env, missing dependencies; and where remedies go."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from _emerge.depgraph import _get_masking_status
from portage.package.ebuild.getmaskingreason import getmaskingreason

from portage_ext.config.package_env import read_package_env
from portage_ext.emerge.whitelist import Whitelist
from portage_ext.explain.candidates import CandidateTree
from portage_ext.explain.profiles import Elsewhere
from portage_ext.explain.resolution import Resolution
from portage_ext.explain.verdict import Exclusion, Mask, Offer, Places
from portage_ext.host.probe import Attribute, Expectation, Function
from portage_ext.host.use_origin import _tree
from portage_ext.limits import CONFIG_FILE_SIZE

EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("_emerge.depgraph:_get_masking_status", ("pkg", "pkgsettings", "root_config"), ("use",)),
    Function(
        "portage.package.ebuild.getmaskingreason:getmaskingreason",
        ("mycpv",),
        ("metadata", "settings", "portdb", "return_location"),
    ),
    *(
        Attribute(f"portage.package.ebuild.getmaskingstatus:_MaskReason.{name}")
        for name in ("category", "message", "unmask_hint")
    ),
    *(Attribute(f"_emerge.Package:Package.{name}") for name in ("_metadata", "masks", "visible")),
    Function("portage._sets.base:PackageSet.getAtoms", ("self",)),
    Function("portage._sets.base:PackageSet.findAtomForPackage", ("self", "pkg"), ("modified_use",)),
    Function("portage._sets.base:PackageSet.containsCPV", ("self", "cpv")),
)
_KINDS: Final = {
    "KEYWORDS": "keywords",
    "package.mask": "mask",
    "LICENSE": "license",
    "CHOST": "chost",
}
_FILES: Final = {
    "KEYWORDS": "package.accept_keywords",
    "package.mask": "package.unmask",
    "LICENSE": "package.license",
    "PROPERTIES": "package.properties",
    "RESTRICT": "package.accept_restrict",
}


def places(settings: Any) -> Places:
    """Where this host keeps its configuration."""
    etc = os.path.join(settings["PORTAGE_CONFIGROOT"], "etc/portage")
    names = ("package.env", "package.use", "package.mask", "profile/package.use.force", "profile/package.use.mask", "make.conf")
    files = {name: file_of(etc, name) for name in (*names, *_FILES.values())}
    env, exists = _env_file(etc)
    every = [*files.values(), env]
    return Places(
        package_env=files["package.env"],
        env_file=env,
        env_exists=exists,
        package_use=files["package.use"],
        package_mask=files["package.mask"],
        use_force=files["profile/package.use.force"],
        use_mask=files["profile/package.use.mask"],
        make_conf=files["make.conf"],
        unfinished=frozenset(file for file in every if _unfinished(file)),
        missing=frozenset(os.path.dirname(file) for file in every if not os.path.isdir(os.path.dirname(file))),
    )


def file_of(etc: str, name: str) -> str:
    """The file of /etc/portage that takes new lines for ``name``, which may be a directory."""
    path = os.path.join(etc, name)
    return os.path.join(path, "zz-portage-ext") if os.path.isdir(path) else path


def _unfinished(file: str) -> bool:
    try:
        with open(file, "rb") as opened:
            return opened.read(CONFIG_FILE_SIZE)[-1:] not in (b"", b"\n")
    except OSError:
        return False


def _env_file(etc: str) -> tuple[str, bool]:
    """An env file that switches getbinpkg on and does nothing else; or the name that one would have."""
    directory = os.path.join(etc, "env")
    for file in _tree(directory):
        with open(file, "rb") as opened:
            lines = opened.read(CONFIG_FILE_SIZE).decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if len(said) == 1 and re.fullmatch(r"FEATURES=([\"']?)(\$\{FEATURES\} )?getbinpkg\1", said[0]):
            return file, True
    return os.path.join(directory, "getbinpkg.conf"), False


def masks(candidate: Any, root_config: Any, settings: Any, here: Places, elsewhere: Elsewhere | None) -> Iterator[Mask]:
    """What masks ``candidate``, in Portage's words, and the line that lifts it; ``elsewhere``: with the binhost's profile."""
    if candidate.visible:
        return
    still = elsewhere.masks(candidate, root_config) if elsewhere is not None else None
    etc = os.path.join(settings["PORTAGE_CONFIGROOT"], "etc/portage")
    atom = f"={candidate.cpv}"
    for reason in _get_masking_status(candidate, settings, root_config, use=candidate.use.enabled):
        kind, hint = reason.category, reason.unmask_hint
        profile = still is not None and kind not in still
        text, line = f"masked: {reason.message}", ""
        if kind == "KEYWORDS" and hint is not None:
            line = f"{atom} {hint.value}"
        elif kind == "LICENSE" and hint is not None:
            line = f"{atom} {' '.join(sorted(hint.value))}"
        elif kind == "package.mask":
            line, text = atom, f"masked: {_masked_by(candidate, settings, root_config)}"
        elif kind in ("PROPERTIES", "RESTRICT"):
            line = f"{atom} {' '.join(candidate.masks.get(kind, ()))}"
        elif kind == "CHOST":
            theirs, ours = candidate._metadata["CHOST"], settings["CHOST"]
            text = f"built for CHOST {theirs}; this host is {ours} and accepts {settings.get('ACCEPT_CHOSTS') or ours}"
            accepted = settings.get("ACCEPT_CHOSTS") or ours
            yield Mask("chost", text, here.append(here.make_conf, f'ACCEPT_CHOSTS="{accepted} {theirs}"'), profile)
            continue
        remedy = here.append(file_of(etc, _FILES[kind]), line) if line else None
        yield Mask(_KINDS.get(kind, "masked"), text, remedy, profile)


def _masked_by(candidate: Any, settings: Any, root_config: Any) -> str:
    comment, place = getmaskingreason(
        candidate.cpv,
        metadata=candidate._metadata,
        settings=settings,
        portdb=root_config.trees["porttree"].dbapi,
        return_location=True,
    )
    words = " ".join(line.lstrip("# ") for line in (comment or "").split("\n")).strip()
    return f"{place or 'package.mask'}{f': {words}' if words else ''}"


def exclusions(candidate: Any, offer: Offer, resolution: Resolution, tree: CandidateTree) -> Iterator[Exclusion]:
    """The include and exclude options that hold ``candidate`` back."""
    frozen = resolution.graph._frozen_config
    for option, wanted in (("usepkg_exclude", False), ("usepkg_include", True)):
        atoms = getattr(frozen, option, None)
        if atoms is not None and atoms.getAtoms():
            found = atoms.findAtomForPackage(candidate, modified_use=candidate.use.enabled)
            if bool(found) != wanted:
                yield _exclusion(option.replace("_", "-"), "" if found is None else str(found), atoms, resolution)
    if offer.binrepo in tree.limits:
        exclude, include = tree.limits[offer.binrepo]
        held = next((str(one) for one in exclude.getAtoms() if type(exclude)([one]).containsCPV(candidate.cpv)), "")
        if held:
            yield _exclusion("getbinpkg-exclude", held, exclude, resolution, offer.binrepo)
        elif include.getAtoms() and not include.containsCPV(candidate.cpv):
            yield _exclusion("getbinpkg-include", "", include, resolution, offer.binrepo, candidate.cpv.cp)


def _exclusion(option: str, atom: str, atoms: Any, resolution: Resolution, binrepo: str = "", add: str = "") -> Exclusion:
    """Where ``option`` is set: a line of binrepos.conf, or else the command line or EMERGE_DEFAULT_OPTS."""
    etc = os.path.join(resolution.settings["PORTAGE_CONFIGROOT"], "etc/portage")
    told = atom or " ".join(sorted(map(str, atoms.getAtoms())))
    section = ""
    for file in _tree(os.path.join(etc, "binrepos.conf")):
        with open(file, "rb") as opened:
            lines = opened.read(CONFIG_FILE_SIZE).decode("utf-8", "replace").split("\n")
        for number, line in enumerate(lines, 1):
            if line.startswith("["):
                section = line.strip().strip("[]")
            key, _, value = line.partition("=")
            if section in (binrepo, "DEFAULT") and key.strip() == option and (not atom or atom in value.split()):
                if atom:
                    edit = f"s/ {re.escape(atom).replace('/', chr(92) + '/')}\\( \\|$\\)/ /"
                    value_edit = f"sed -i {shlex.quote(f'{number}{edit}')} {shlex.quote(file)}"
                else:
                    value_edit = f"sed -i {shlex.quote(f'{number}s|$| {add}|')} {shlex.quote(file)}"
                return Exclusion(option, told, f"{file}:{number}", value_edit)
    defaults = resolution.settings.get("EMERGE_DEFAULT_OPTS", "")
    where = "EMERGE_DEFAULT_OPTS" if f"--{option}" in defaults else "the command line"
    return Exclusion(f"--{option}", told, where)


def entry_against(whitelist: Whitelist, cpv: Any, binrepo: str | None) -> tuple[str, str]:
    """The atom of package.env that holds ``cpv`` back, and its place; empty without one."""
    atoms = whitelist.atoms_against(cpv)
    found = ("", "")
    for entry in read_package_env(whitelist.config_directory / "package.env"):
        if entry.atom in atoms:
            rule = whitelist.rule_of(entry.env_files)
            if rule.getbinpkg is False or (rule.binrepos is not None and binrepo not in rule.binrepos):
                found = entry.atom, f"{entry.where}: {entry.atom} {' '.join(entry.env_files)}"
    return found


def missing(parts: Sequence[Any], has: Callable[[Any], bool]) -> Iterator[str]:
    """The dependencies among ``parts`` (``use_reduce`` with opconvert) that ``has`` denies."""
    for part in parts:
        if isinstance(part, list):
            if part and part[0] == "||":
                without = [list(missing([one], has)) for one in part[1:]]
                if without and all(without):
                    yield f"|| ( {' '.join(' '.join(one) for one in without)} )"
            else:
                yield from missing(part, has)
        elif not has(part):
            yield str(part)

"""PEP 440 versions and specifiers are converted to PMS versions and atoms; if the two orders differ, the stricter meaning is
used.

They differ in trailing zeros: 1.0 and 1.0.0 are the same version in PEP 440, but two versions in PMS. That is why the existing
versions are passed in. They also differ in development releases, which sort before alphas in PEP 440 and after betas in PMS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from portage_ext.errors.pypi import NoReleaseError
from portage_ext.limits import repositories as limits

_SUFFIXES: Final = {"a": "_alpha", "b": "_beta", "rc": "_rc"}
_PMS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*(?:_(?:alpha|beta|pre|rc|p)[0-9]*)*")
_REVISION: Final = re.compile(r"-r[0-9]+$")
_ORDERED: Final = re.compile(
    r"(?P<numbers>[0-9]+(?:\.[0-9]+)*)(?P<letter>[a-z]?)(?P<suffixes>(?:_(?:alpha|beta|pre|rc|p)[0-9]*)*)(?:-r(?P<revision>[0-9]+))?"
)
_SUFFIX: Final = re.compile(r"_(alpha|beta|pre|rc|p)([0-9]*)")
_RANKS: Final = {"alpha": -4, "beta": -3, "pre": -2, "rc": -1, "p": 1}
_LAST_REVISION: Final = "-r9999"
"""A revision above all others: ebuilds write ``<=x-1-r9999`` to include all revisions of a version."""


def pms(version: Version) -> str:
    """The PV for a version, which pypi.eclass can translate back. Raises NoReleaseError if PMS has no such version."""
    if version.epoch or version.local:
        raise NoReleaseError(str(version), "a version with an epoch or a local part has no counterpart in Gentoo")
    text = ".".join(map(str, version.release))
    if version.pre is not None:
        text += f"{_SUFFIXES[version.pre[0]]}{version.pre[1]}"
    if version.post is not None:
        text += f"_p{version.post}"
    if version.dev is not None:
        text += f"_pre{version.dev}"
    return text


def translated(pv: str) -> str:
    """The version in the archive's file name that pypi.eclass derives from PV (pypi_translate_version)."""
    for ours, theirs in (("_alpha", "a"), ("_beta", "b"), ("_pre", ".dev"), ("_rc", "rc"), ("_p", ".post")):
        pv = pv.replace(ours, theirs, 1)
    return pv


def pep440(pvr: str) -> Version | None:
    """The PEP 440 version of an ebuild's PVR; None if there is none (because of a letter or several suffixes)."""
    pv = _REVISION.sub("", pvr)
    if len(pv) > limits.PYPI_VERSION or not _PMS.fullmatch(pv):
        return None
    try:
        return Version(translated(pv))
    except InvalidVersion:
        return None


def order(pvr: str) -> tuple[object, ...] | None:
    """A key that sorts versions as in PMS 3.3; None if ``pvr`` is not a version."""
    match = _ORDERED.fullmatch(pvr)
    if match is None:
        return None
    first, *others = match["numbers"].split(".")
    # If one of two components begins with a zero, both are compared as text.
    numbers = (int(first), *((0, 0, one.rstrip("0")) if one[0] == "0" else (1, int(one), "") for one in others))
    suffixes = tuple((_RANKS[word], int(number or 0)) for word, number in _SUFFIX.findall(match["suffixes"]))
    return numbers, match["letter"], (*suffixes, (0, 0)), int(match["revision"] or 0)


def satisfied(specifiers: SpecifierSet, known: Iterable[str]) -> bool:
    """Whether one of the ebuild versions in ``known`` satisfies ``specifiers``. A version without a PEP 440 form counts as
    yes."""
    return any((version := pep440(one)) is None or specifiers.contains(version, prereleases=True) for one in known)


def atoms(specifiers: SpecifierSet, package: str, use: str, known: Sequence[str]) -> tuple[str, ...]:
    """The sorted atoms of a dependency on ``package``, each with the USE dependency ``use`` (including brackets, or empty).

    ``known`` are the versions of existing ebuilds. Raises NoReleaseError for a specifier that cannot be expressed in PMS.
    """
    found: list[str] = []
    for one in sorted(specifiers, key=str):
        found += _atoms(one, package, use, known)
    if not any(not atom.startswith("!") for atom in found):
        found.insert(0, f"{package}{use}")
    return tuple(found)


def _atoms(one: Specifier, package: str, use: str, known: Sequence[str]) -> list[str]:
    operator, text = one.operator, one.version
    if operator == "===" or "+" in text:
        raise NoReleaseError(f"{package} {one}", "an arbitrary or local version has no counterpart in Gentoo")
    if text.endswith(".*"):
        return _prefix(one, Version(text.removesuffix(".*")), package, use, known, blocked=operator == "!=")
    version = Version(text)
    spelled = _spelled(version, known)
    match operator:
        case ">=" | "<":
            return [f"{operator}{package}-{spelled}{use}"]
        case ">" | "<=":
            return [f"{operator}{package}-{spelled}{_LAST_REVISION}{use}"]
        case "==":
            return [f"~{package}-{spelled}{use}"]
        case "!=":
            return [f"!~{package}-{spelled}"]
        case _:  # "~=": at least this, and the same but for the last number
            prefix = Version(".".join(map(str, version.release[:-1])))
            series = Specifier(f"=={prefix}.*")
            return [f">={package}-{spelled}{use}", *_prefix(series, prefix, package, use, known, blocked=False)]


def _prefix(one: Specifier, prefix: Version, package: str, use: str, known: Sequence[str], *, blocked: bool) -> list[str]:
    """Convert ``==1.2.*`` (with ``blocked``: ``!=1.2.*``) to a prefix match, or to a range if a shorter version is included (1
    is equal to 1.0)."""
    if prefix.epoch:
        raise NoReleaseError(f"{package} {one}", "a version with an epoch has no counterpart in Gentoo")
    series = Specifier(f"=={prefix}.*")
    shorter = any(
        len(version.release) < len(prefix.release) and series.contains(version, prereleases=True)
        for version in map(pep440, known)
        if version is not None
    )
    if not shorter:
        return [f"!={package}-{pms(prefix)}*" if blocked else f"={package}-{pms(prefix)}*{use}"]
    if blocked:
        equal = [pv for pv in known if (version := pep440(pv)) is not None and series.contains(version, prereleases=True)]
        return [f"!~{package}-{_REVISION.sub('', pv)}" for pv in equal]
    following = Version(".".join(map(str, (*prefix.release[:-1], prefix.release[-1] + 1))))
    return [f">={package}-{_spelled(prefix, known)}{use}", f"<{package}-{_spelled(following, known)}{use}"]


def _spelled(version: Version, known: Sequence[str]) -> str:
    """The PV as written in an existing ebuild of this version, or else by rule."""
    return next((_REVISION.sub("", pvr) for pvr in known if pep440(pvr) == version), None) or pms(version)

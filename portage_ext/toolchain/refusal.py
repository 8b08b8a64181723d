"""The text of a refusal: package, library, symbol versions, which package would provide them, and what to do.

The plan check and the guard use the same texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portage_ext.model.contract import Need


@dataclass(frozen=True, slots=True)
class Ways:
    """Remedies: packages that would provide what is missing, newest first, or a gcc-config profile that provides it already."""

    providers: Sequence[str] = ()
    profile: str | None = None


def versions_text(need: Need, missing: frozenset[str], *, found: bool) -> str:
    """The library and the symbol versions that are missing: ``libfoo.so.1 (FOO_2) [x86_64]``."""
    wanted = missing if found else need.versions
    return f"{need.soname}{' (' + ', '.join(sorted(wanted)) + ')' if wanted else ''} [{need.category}]"


def unmet(name: str, cp: str, need: Need, missing: frozenset[str], *, found: bool, ways: Ways) -> str:
    """Why the binary ``name`` (category/name-version) of ``cp`` must not be merged."""
    what = versions_text(need, missing, found=found)
    why = "the installed library does not provide it" if found else "no such library is installed"
    text = f"{name} needs {what}, but {why}, and nothing in the merge list provides it.\n"
    if ways.profile:
        text += f"    the gcc profile {ways.profile} provides it, but is not selected; select it: gcc-config {ways.profile}\n"
    elif ways.providers:
        text += f"    {ways.providers[0]} would provide it; merge it first: emerge --oneshot {_atom(ways.providers[0])}\n"
    return text + f"    {'or ' if ways.profile or ways.providers else ''}build {name} from source: {from_source(name, cp)}"


def elsewhere_only(name: str, cp: str, need: Need, directory: str, search: Sequence[str]) -> str:
    """The warning that a dependency of ``name`` has what it needs in ``directory``, where its RUNPATH does not lead."""
    return (
        f"{name} needs {versions_text(need, frozenset(), found=False)}. It is in {directory}, but {name} looks only in\n"
        f"    {' '.join(search)} and the system's directories. If nothing else leads it there, it will not start;\n"
        f"    then build it from source: {from_source(name, cp)}"
    )


def covers(step: str, victim: str, need: Need, missing: frozenset[str]) -> str:
    """Why the step ``step`` must not run: ``victim`` would find its library instead of the one that it needs."""
    what = versions_text(need, missing, found=True)
    return (
        f"{victim} needs {what}, but would find the {need.soname} of {step} first, which does not provide it.\n"
        f"{_remedies(step, victim)}"
    )


def breaks(step: str, victim: str, need: Need, missing: frozenset[str], *, found: bool) -> str:
    """Why the step ``step`` must not run: ``victim`` would no longer run."""
    return f"{step} would remove {versions_text(need, missing, found=found)}, which {victim} needs.\n{_remedies(step, victim)}"


def _remedies(step: str, victim: str) -> str:
    return (
        f"    rebuild {victim} in the same run: emerge --oneshot {_atom(victim)} ...\n"
        f"    or keep the installed version: add ={step} to package.mask, or leave it out of this run"
    )


def unmerge_breaks(removed: str, victim: str, need: Need, missing: frozenset[str], *, found: bool) -> str:
    """Why ``removed`` must not be unmerged: ``victim`` stays and would no longer run."""
    what = versions_text(need, missing, found=found)
    why = "the other installed library of this name does not provide it" if found else "nothing else provides it"
    return (
        f"unmerging {removed} would remove {what}, which {victim} needs; {why}.\n"
        f"    unmerge both: emerge --unmerge ={victim} ={removed}\n"
        f"    or first rebuild {victim} without that library: emerge --oneshot {_atom(victim)}\n"
        f"    or unmerge {removed} anyway: PORTAGE_EXT_TOOLCHAIN=warn emerge ..."
    )


def source_breaks(step: str, victims: Sequence[tuple[str, Need, frozenset[str], bool]]) -> str:
    """The warning that ``step``, built from source, removes what installed packages need; each with its need."""
    lines = [f"portage-ext: {step} removes symbols that installed packages need. Rebuild these if this run does not:"]
    lines += [f"    {name} needs {versions_text(need, missing, found=found)}" for name, need, missing, found in victims]
    return "\n".join((*lines, f"    emerge --oneshot {' '.join(dict.fromkeys(_atom(name) for name, *_ in victims))}"))


def from_source(name: str, cp: str) -> str:
    """The command that builds the package from source on this system."""
    return f"emerge --oneshot --usepkg-exclude {cp} ={name}"


def _atom(name: str) -> str:
    return f"={name}" if any(part[:1].isdigit() for part in name.split("-")[1:]) else name

"""What a person reads when a binary is refused: package, library, symbol versions, who would provide them, and what to do.

The plan check and the guard say it in the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portage_ext.model.contract import Need


@dataclass(frozen=True, slots=True)
class Ways:
    """Ways out: packages that would provide what is missing, newest first; a profile of gcc-config that has it already."""

    providers: Sequence[str] = ()
    profile: str | None = None


def versions_text(need: Need, missing: frozenset[str], *, found: bool) -> str:
    """``libfoo.so.1 (FOO_2) [x86_64]``: the library and what of it is missing."""
    wanted = missing if found else need.versions
    return f"{need.soname}{' (' + ', '.join(sorted(wanted)) + ')' if wanted else ''} [{need.category}]"


def unmet(name: str, cp: str, need: Need, missing: frozenset[str], *, found: bool, ways: Ways) -> str:
    """Why the binary ``name`` (category/name-version) of ``cp`` may not be merged."""
    what = versions_text(need, missing, found=found)
    why = "the installed library does not have it" if found else "no such library is installed"
    text = f"{name} needs {what}, and {why}; nothing in the merge list provides it.\n"
    if ways.profile:
        text += f"    the installed gcc of profile {ways.profile} has it, but is not selected: gcc-config {ways.profile}\n"
    elif ways.providers:
        text += f"    {ways.providers[0]} would provide it: add it to the merge: emerge --oneshot {_atom(ways.providers[0])}\n"
    return text + f"    or build this one from source: {from_source(name, cp)}"


def breaks(step: str, victim: str, need: Need, missing: frozenset[str], *, found: bool) -> str:
    """Why the step ``step`` may not take place: ``victim`` would not run any more."""
    what = versions_text(need, missing, found=found)
    return (
        f"{step} would take {what} away, and {victim} needs it.\n"
        f"    add {victim} to the merge so that it is rebuilt: emerge --oneshot {_atom(victim)}\n"
        f"    or keep what is installed: add the version to package.mask, or leave the package out"
    )


def unmerge_breaks(removed: str, victim: str, need: Need, missing: frozenset[str], *, found: bool) -> str:
    """Why ``removed`` may not be unmerged: ``victim`` stays, and would not run any more."""
    what = versions_text(need, missing, found=found)
    why = "the other installed library of this name does not have it" if found else "nothing else has it"
    return (
        f"unmerging {removed} would take {what} away, {victim} needs it, and {why}.\n"
        f"    unmerge {victim} as well, before it: emerge --unmerge ={victim} ={removed}\n"
        f"    or rebuild it first, without that library: emerge --oneshot {_atom(victim)}\n"
        f"    or remove it all the same: PORTAGE_EXT_TOOLCHAIN=warn emerge ..."
    )


def source_breaks(step: str, victims: Sequence[tuple[str, Need, frozenset[str], bool]]) -> str:
    """What merging ``step``, built from source, takes from installed packages, each with its need as for :func:`breaks`."""
    lines = [f"portage-ext: {step} takes away what installed packages need, unless this run rebuilds them, too:"]
    lines += [f"    {name} needs {versions_text(need, missing, found=found)}" for name, need, missing, found in victims]
    return "\n".join((*lines, f"    emerge --oneshot {' '.join(dict.fromkeys(_atom(name) for name, *_ in victims))}"))


def from_source(name: str, cp: str) -> str:
    """The command that compiles the package on this system."""
    return f"emerge --oneshot --usepkg-exclude {cp} ={name}"


def _atom(name: str) -> str:
    return f"={name}" if any(part[:1].isdigit() for part in name.split("-")[1:]) else name

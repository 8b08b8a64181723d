"""A configuration becomes the files of a profile; what no profile can express is said by name.

A profile is read with an EAPI (PMS 5), /etc/portage without: so a profile has no wildcards in atoms except in package.license,
which Portage reads as that of /etc/portage if layout.conf has ``profile-license``. Entries of ``*/*`` become variables of
make.defaults. A profile sits between the official one, its parent, and /etc/portage, so it cannot undo what a repository masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from portage_ext.fleet.configuration import ATOMS, FLAGS, WILDCARD, WITH_WORDS, Configuration, Left, Words

EAPI: Final = "8"
FILES: Final = frozenset(
    ("eapi", "parent", "make.defaults", *(name.removeprefix("profile/") for name in (*ATOMS, *FLAGS, *WITH_WORDS)))
)
"""The files that a published profile may have."""
_NO_WILDCARD: Final = "an atom of a profile has no wildcard (PMS 8.3)"


def files(found: Configuration, parent: str, arch: str) -> tuple[dict[str, str], tuple[Left, ...]]:
    """The files of the profile by name, and what could not be expressed. ``parent`` is ``repository:path``."""
    left: list[Left] = list(found.left)
    texts = {"eapi": f"{EAPI}\n", "parent": f"{parent}\n"}
    everywhere: dict[str, Words] = {}
    collected: dict[str, list[str]] = {}
    for kind, lines in found.lines.items():
        name = kind.removeprefix("profile/")
        into = collected.setdefault(name, [])
        for atom, words in lines.items():
            if kind == "package.accept_keywords" and not words:
                words = (f"~{arch}",)
            if kind in FLAGS or kind == "package.license":
                into.append(" ".join((atom, *words)))
            elif atom == WILDCARD and kind in ("package.use", "package.accept_keywords"):
                everywhere[kind] = words
            elif why := _inexpressible(kind, atom, words):
                left.append(Left(f"{kind}: {' '.join((atom, *words))}", why))
            else:
                into.append(" ".join((atom, *words)))
    if defaults := _defaults(found.variables, everywhere):
        texts["make.defaults"] = defaults
    texts |= {name: "".join(f"{line}\n" for line in lines) for name, lines in collected.items() if lines}
    return texts, tuple(left)


def sets(found: Configuration, name: str) -> dict[str, str]:
    """The sets of the profile ``name``. They have its name in front, so that they collide with no set of a client."""
    return {
        f"{name}-{one}": "".join(
            f"{f'@{name}-{line[1:]}' if line[1:] in found.sets and line[0] == '@' else line}\n" for line in atoms
        )
        for one, atoms in found.sets.items()
    }


def _inexpressible(kind: str, atom: str, words: Words) -> str:
    """Why a profile cannot have the line; empty if it can."""
    plain = atom.lstrip("-")
    if "*" in plain.rstrip("*") or (plain.endswith("*") and not plain.startswith("=")):
        return _NO_WILDCARD
    if atom.startswith("-") and kind == "package.mask":
        return "a profile cannot undo a mask of a repository; write the atom into package.unmask"
    if kind.endswith("package.use") and (many := next((word for word in words if "*" in word), "")):
        return f"package.use of a profile has no {many} (PMS 5.2.11)"
    return ""


def _defaults(variables: Mapping[str, Words], everywhere: Mapping[str, Words]) -> str:
    more = {"USE": everywhere.get("package.use", ()), "ACCEPT_KEYWORDS": everywhere.get("package.accept_keywords", ())}
    found: dict[str, Iterable[str]] = {}
    for name in sorted({*variables, *(name for name, words in more.items() if words)}):
        words = variables.get(name, ())
        incremental = name in ("USE", "ACCEPT_KEYWORDS", "ACCEPT_LICENSE")
        # In make.conf such a variable replaces what the profiles say; in a profile it would add to it (PMS 5.3.1).
        found[name] = (*(() if incremental else ("-*",)), *words, *more.get(name, ()))
    return "".join(f'{name}="{" ".join(words)}"\n' for name, words in found.items())

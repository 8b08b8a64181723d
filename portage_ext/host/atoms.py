"""Whether a package is one of those that an administrator names with atoms, as Portage itself compares them."""

from __future__ import annotations

from collections.abc import Sequence

from portage.dep import Atom, match_from_list
from portage.exception import InvalidAtom

from portage_ext.errors import UsageError
from portage_ext.host.probe import Expectation, Function

EXPECTED: tuple[Expectation, ...] = (
    Function("portage.dep:match_from_list", ("mydep", "candidate_list")),
    Function("portage.dep:Atom.__init__", ("self", "s")),
)


def parsed(texts: Sequence[str], where: str) -> tuple[Atom, ...]:
    """Parse atoms, also with wildcards (``app-crypt/*``), versions, slots and repositories. Raises UsageError, which names
    ``where`` they are written."""
    found: list[Atom] = []
    for text in texts:
        try:
            atom = Atom(text, allow_wildcard=True, allow_repo=True)
        except InvalidAtom:
            raise UsageError(f"{where}: {text!r} is no atom, such as sys-libs/glibc or app-crypt/*") from None
        if atom.use or atom.blocker:
            raise UsageError(f"{where}: {text!r} is not supported: an atom here has no USE flags and is no blocker")
        found.append(atom)
    return tuple(found)


def matches(atoms: Sequence[Atom], cpv: str, slot: str, repository: str) -> bool:
    """Whether any atom matches the package ``cpv`` in ``slot`` (with its sub-slot) from ``repository``."""
    candidate = cpv + (f":{slot}" if slot else "") + (f"::{repository}" if repository else "")
    return any(match_from_list(atom, [candidate]) for atom in atoms)

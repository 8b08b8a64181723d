"""Whether the runtime dependencies of the packages in a release can be satisfied, decided by Portage's own matching.

The release becomes a package database like that which emerge makes from a binhost's index (bindbapi). What it lacks may come
from the ebuilds visible on this host, from package.provided, or from packages that the administrator names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.model import IndexEntry

_DATABASE: Final = "portage.dbapi.virtual:fakedbapi"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_DATABASE}.__init__", ("self",), ("settings", "exclusive_slots", "multi_instance")),
    Function(f"{_DATABASE}.cpv_inject", ("self", "mycpv"), ("metadata",)),
    Function(f"{_DATABASE}.match", ("self", "origdep")),
    Function("portage.dbapi.porttree:portdbapi.xmatch", ("self", "level", "origdep")),
    Names("portage.package.ebuild.config:config.__init__", ("pprovideddict",)),
    Function("portage.dep:match_from_list", ("mydep", "candidate_list")),
    Function("portage.dep:use_reduce", ("depstr",), ("eapi", "opconvert", "token_class")),
    Function("portage.versions:_pkg_str.__init__", ("self", "cpv"), ("metadata", "settings")),
)
VARIABLES: Final = ("RDEPEND", "PDEPEND", "IDEPEND")


class Closure:
    """Finds the unsatisfied dependencies of a release; ``provided`` are package names or atoms that all clients have."""

    def __init__(self, provided: Sequence[str] = ()) -> None:
        self._provided = frozenset(provided)
        self._atoms: dict[str, bool] = {}
        self._texts: dict[tuple[str, str], str | None] = {}
        self._release: Any = None

    def __call__(self, entries: Iterable[IndexEntry]) -> Iterator[tuple[IndexEntry, str, str]]:
        """The entry, the variable, and the first dependency of it that nothing satisfies."""
        every = list(entries)
        self._release = database(every)
        self._atoms.clear()
        self._texts.clear()
        for entry in every:
            for variable in VARIABLES:
                text = entry.get(variable)
                if text and (missing := self._missing(text, entry.get("EAPI", "0"))) is not None:
                    yield entry, variable, missing

    def _missing(self, text: str, eapi: str) -> str | None:
        key = (text, eapi)
        if key not in self._texts:
            self._texts[key] = self._evaluate(text, eapi)
        return self._texts[key]

    def _evaluate(self, text: str, eapi: str) -> str | None:
        from portage.dep import Atom, use_reduce
        from portage.exception import InvalidDependString

        try:
            # The index has the conditionals of USE evaluated already (binarytree._eval_use_flags).
            return self._first_missing(use_reduce(text, eapi=eapi, opconvert=True, token_class=Atom))
        except InvalidDependString as error:
            return f"{text} ({error})"

    def _first_missing(self, parts: Sequence[Any]) -> str | None:
        for part in parts:
            if isinstance(part, list):
                if part and part[0] == "||":
                    missing = [self._first_missing([one]) for one in part[1:]]
                    if missing and all(one is not None for one in missing):
                        return f"|| ( {' '.join(str(one) for one in missing)} )"
                elif (inner := self._first_missing(part)) is not None:
                    return inner
            elif not self._satisfied(part):
                return str(part)
        return None

    def _satisfied(self, atom: Any) -> bool:
        if atom.blocker:
            return True
        known = self._atoms.get(atom)
        if known is None:
            known = self._atoms[atom] = self._match(atom)
        return known

    def _match(self, atom: Any) -> bool:
        import portage
        from portage.dep import match_from_list

        if atom.cp in self._provided or str(atom) in self._provided or self._release.match(atom):
            return True
        there = portage.settings.pprovideddict.get(atom.cp)
        if there and match_from_list(atom, there):
            return True
        return bool(portage.portdb.xmatch("bestmatch-visible", atom))


def database(entries: Iterable[IndexEntry]) -> Any:
    import portage
    from portage.dbapi.virtual import fakedbapi
    from portage.versions import _pkg_str

    database = fakedbapi(settings=portage.settings, exclusive_slots=False, multi_instance=True)
    for entry in entries:
        metadata = {
            "BUILD_ID": "",
            "BUILD_TIME": "0",
            "EAPI": "0",
            "IUSE": "",
            "KEYWORDS": "",
            "SLOT": "0",
            "USE": "",
            **entry.values,
            "repository": entry.repository or "",
            "_mtime_": entry.get("MTIME", "0"),
        }
        database.cpv_inject(_pkg_str(entry.get("CPV"), metadata=metadata, settings=portage.settings), metadata=metadata)
    return database

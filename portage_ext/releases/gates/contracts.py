"""Every symbol version that a package of a release needs is defined by some build in that release.

Which build a client has is checked on the client. This gate finds needs that no build meets, so that no merge order could
help. A library that no package of the release defines comes from the clients, if the administrator says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from portage_ext.errors import InvalidContractError
from portage_ext.errors.releases import Finding
from portage_ext.model import IndexEntry
from portage_ext.model.contract import ANY, KEY, Library, Need, Placed, SymbolContract
from portage_ext.releases.gates import Candidate, Context, described


@dataclass(frozen=True, slots=True)
class ContractGate:
    """``provided`` are patterns of sonames that clients have without a package of the release."""

    provided: Sequence[str] = ("*",)
    name: str = "contracts"

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        contracts: list[tuple[IndexEntry, SymbolContract]] = []
        for path in candidate.contents.entries:
            entry = candidate.contents.entry(path)
            text = entry.get(KEY)
            if not text:
                continue
            try:
                contracts.append((entry, SymbolContract.parse(text)))
            except InvalidContractError as error:
                yield Finding(self.name, described(entry), str(error))
        defined: dict[Library, set[frozenset[str]]] = {}
        private: dict[Placed, set[frozenset[str]]] = {}
        for _, contract in contracts:
            for library, versions in contract.defines.items():
                defined.setdefault(library, set()).add(versions)
            for placed, versions in (contract.private or {}).items():
                private.setdefault(placed, set()).add(versions)
        # A contract of format 1 does not say what the package has in private directories.
        untold = any(contract.private is None for _, contract in contracts)
        for entry, contract in contracts:
            for need in contract.needs:
                search = contract.search.get(need.category, ())
                found = [private.get((directory, need.library), set()) for directory in search]
                # An unrecorded library there may be the one it needs, so nothing is proven to be missing.
                unknown = any(untold or (directory, (need.category, ANY)) in private for directory in search)
                reason = None if unknown or _met(need, set().union(*found)) else self._unmet(need, defined.get(need.library))
                if reason:
                    yield Finding(self.name, described(entry), reason)

    def _unmet(self, need: Need, defined: set[frozenset[str]] | None) -> str | None:
        if defined is None:
            if need.plugin or any(fnmatchcase(need.soname, pattern) for pattern in self.provided):
                return None
            return f"needs {need.soname} ({need.category}), which no package of the release provides"
        if _met(need, defined):
            return None
        lacking = min((need.versions - versions for versions in defined), key=len)
        return f"needs {', '.join(sorted(lacking))} of {need.soname} ({need.category}), which no build in the release defines"


def _met(need: Need, defined: set[frozenset[str]]) -> bool:
    """A library without versions satisfies every version, as in the loader."""
    return any(not versions or need.versions <= versions for versions in defined)


def gate(context: Context) -> ContractGate:
    """The gate ``contracts``."""
    return ContractGate(context.rules.provided_libraries)

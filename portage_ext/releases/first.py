"""Clients get a new toolchain before the packages that need it, so that those start also where Portage alone chooses the order.

A toolchain package may bring symbol versions that no package of the channel defined or needed until now (``GLIBC_2.39``). If
other new packages need them, the channel first gets the toolchain packages, beside all that it served until now. All other
changes wait for the grace time. Nothing records them: what waits is the difference between the source and the channel, so a
killed run loses nothing. A toolchain package that itself needs new versions of another one belongs to the next part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from portage_ext.errors import InvalidContractError
from portage_ext.index.keys import INHERITED
from portage_ext.model import IndexEntry
from portage_ext.model.contract import KEY, SymbolContract
from portage_ext.records import record, replace
from portage_ext.releases.contents import Contents
from portage_ext.releases.gates import described
from portage_ext.releases.made import First
from portage_ext.releases.note import Note, Waiting

_Version = tuple[str, str, str]
"""Multilib category, soname, symbol version."""
_ALL: Final = "*"
"""In place of a version: what a package without a contract needs of a library."""


@record(eq=False)
class Part:
    """What is published now: its index. If nothing is ``waiting``, it is everything.

    ``arrived`` is for the note: the symbol versions that clients may not have yet, and since when the channel has them.
    """

    contents: Contents
    arrived: Mapping[str, int]
    waiting: Waiting | None


@record
class _Fresh:
    path: str
    name: str
    needs: frozenset[_Version]
    brings: frozenset[_Version]
    """Versions that a toolchain package defines and the channel does not know."""

    def uses(self, versions: Iterable[_Version]) -> set[_Version]:
        """Those of ``versions`` that it needs from another package."""
        return {
            one for one in versions if one not in self.brings and (one in self.needs or (one[0], one[1], _ALL) in self.needs)
        }


def part(before: Contents, new: Contents, note: Note, first: First, now: int) -> Part:
    """What of ``new`` a channel gets at ``now`` (seconds since 1970) that serves ``before`` with ``note``."""
    young = {_version(text): since for text, since in note.arrived.items() if since + first.wait > now}
    known = {one for path in before.entries for one in _known(before.entry(path))}
    fresh = [
        _fresh(path, new.entry(path), first, known) for path, text in new.entries.items() if before.entries.get(path) != text
    ]
    brought = {one for package in fresh for one in package.brings}
    users = [one for one in fresh if one.uses(brought) or one.uses(young)]
    everything = Part(new, _arrived(young, brought, now), None)
    if not users or _inherited(before) != _inherited(new):
        return everything
    chosen = [one for one in fresh if one.brings and one not in users]
    if not chosen:
        # Toolchain packages that need new versions of each other cannot wait for each other.
        chosen = [one for one in fresh if one.brings and not one.uses(young)]
    waiting = [one for one in fresh if one not in chosen]
    if not waiting:
        return everything
    came = {one for package in chosen for one in package.brings}
    needed = {one for package in waiting for one in package.uses([*young, *came])}
    until = max((young.get(one, now) for one in needed), default=now) + first.wait
    contents = _together(before, new, frozenset(one.path for one in chosen))
    toolchain = tuple(one.name for one in chosen) or _bringing(before, needed, first)
    waits = Waiting(tuple(one.name for one in waiting), toolchain, until, note.complete)
    return Part(contents, _arrived(young, came, now), waits)


def _fresh(path: str, entry: IndexEntry, first: First, known: set[_Version]) -> _Fresh:
    contract = _contract(entry)
    brings: set[_Version] = set()
    if contract is not None and first.names(entry):
        brings = {one for one in _defined(contract) if one not in known}
    return _Fresh(path, described(entry), frozenset(_needed(entry, contract)), frozenset(brings))


def _contract(entry: IndexEntry) -> SymbolContract | None:
    """None if nothing is known of its symbols."""
    try:
        return SymbolContract.parse(entry.get(KEY)) if entry.get(KEY) else None
    except InvalidContractError:
        return None


def _known(entry: IndexEntry) -> Iterator[_Version]:
    contract = _contract(entry)
    if contract is not None:
        yield from _defined(contract)
        yield from _needed(entry, contract)


def _defined(contract: SymbolContract) -> Iterator[_Version]:
    for (category, soname), versions in contract.defines.items():
        yield from ((category, soname, one) for one in versions)
    # The libraries of a compiler are in directories of their own, which may not be searched on the host that built it.
    for (_, (category, soname)), versions in (contract.private or {}).items():
        yield from ((category, soname, one) for one in versions)


def _needed(entry: IndexEntry, contract: SymbolContract | None) -> Iterator[_Version]:
    if contract is not None:
        for need in contract.needs:
            yield from ((need.category, need.soname, one) for one in need.versions)
        return
    category = ""
    for word in entry.get("REQUIRES").split():
        # ``x86_64: libc.so.6 libm.so.6``
        if word.endswith(":"):
            category = word[:-1]
        else:
            yield category, word, _ALL


def _together(before: Contents, new: Contents, chosen: frozenset[str]) -> Contents:
    """The index ``before`` with the entries ``chosen`` of ``new``, under the header of ``new``."""
    entries = {**before.entries, **{path: new.entries[path] for path in chosen}}
    if entries == before.entries:
        return replace(before, header={**new.header, "PACKAGES": str(len(entries))})
    read = {path: (new if path in chosen else before).entry(path) for path in entries}
    order = sorted(entries, key=lambda path: (read[path].get("CPV"), _number(read[path].get("BUILD_ID")), path))
    entries = {path: entries[path] for path in order}
    body = b"".join(text.strip(b"\n") + b"\n\n" for text in entries.values())
    return Contents({**new.header, "PACKAGES": str(len(entries))}, entries, body)


def _bringing(before: Contents, versions: set[_Version], first: First) -> tuple[str, ...]:
    """The packages of the channel that brought ``versions``."""
    found = (before.entry(path) for path in before.entries)
    bringing = ((one, _contract(one)) for one in found if first.names(one))
    return tuple(described(one) for one, contract in bringing if contract and versions & set(_defined(contract)))


def _inherited(contents: Contents) -> list[str]:
    """What entries without a value of their own take from the header: indexes that differ there cannot be joined."""
    return [contents.header.get(key, "") for key in INHERITED]


def _arrived(young: Mapping[_Version, int], brought: Iterable[_Version], now: int) -> dict[str, int]:
    return {" ".join(one): since for one, since in sorted({**dict.fromkeys(brought, now), **young}.items())}


def _version(text: str) -> _Version:
    category, _, rest = text.partition(" ")
    soname, _, version = rest.partition(" ")
    return category, soname, version


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0

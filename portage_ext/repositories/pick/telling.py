"""A plan or a record is summarised in a few lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from portage_ext.repositories.pick.assembly import Plan
from portage_ext.repositories.record import Kind, Record, Remark
from portage_ext.words import counted

_WORDS = {
    Kind.REFUSED: "refused",
    Kind.KEPT: "kept",
    Kind.UNREADABLE: "cannot read",
    Kind.MISSING: "missing",
    Kind.LEFT_OUT: "left out",
    Kind.MOVED: "moved",
    Kind.HELD: "held",
}


def lines(plan: Plan, *, changed: bool) -> Iterator[str]:
    """Yield lines with what was picked, and with every remark."""
    yield f"{count(plan.record)}; {'updated' if changed else 'nothing has changed'}"
    yield from remarks(plan.record.remarks)


def count(record: Record) -> str:
    """The number of packages in a repository, by the reason why they are there."""
    packages = [one for one in record.items if not one.name.startswith("eclass/")]
    listed = sum(one.listed for one in packages)
    return f"{counted(listed, 'listed package')}, {counted(len(packages) - listed, 'needed package')}"


def remarks(found: Iterable[Remark]) -> Iterator[str]:
    """Yield a line for each remark."""
    for remark in found:
        yield f"{_WORDS[remark.kind]} {remark.name}: {remark.why}"


def chains(record: Record, name: str) -> list[tuple[str, ...]]:
    """The shortest dependency chain to ``name`` from each listed package that needs it."""
    items = {one.name: one for one in record.items}
    ways: dict[str, tuple[str, ...]] = {name: (name,)}
    waiting = [name]
    found: list[tuple[str, ...]] = []
    for current in waiting:
        item = items.get(current)
        if item is None:
            continue
        if item.listed:
            found.append(ways[current])
        for user in item.needed_by:
            if user not in ways:
                ways[user] = (user, *ways[current])
                waiting.append(user)
    return found

"""What a plan comes to, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from portage_ext.folding import counted
from portage_ext.repositories.pick.assembly import Plan
from portage_ext.repositories.record import Kind


def lines(plan: Plan, *, changed: bool) -> Iterator[str]:
    """What was picked, and every remark."""
    packages = [one for one in plan.record.items if not one.name.startswith("eclass/")]
    listed = sum(one.listed for one in packages)
    count = f"{counted(listed, 'listed package')}, {counted(len(packages) - listed, 'needed package')}"
    yield f"{count}; {'taken' if changed else 'nothing has changed'}"
    for remark in plan.record.remarks:
        yield f"{_WORDS[remark.kind]} {remark.name}: {remark.why}"


_WORDS = {
    Kind.REFUSED: "refused",
    Kind.KEPT: "kept",
    Kind.UNREADABLE: "cannot read",
    Kind.MISSING: "missing",
    Kind.LEFT_OUT: "left out",
    Kind.MOVED: "moved",
    Kind.HELD: "held",
}

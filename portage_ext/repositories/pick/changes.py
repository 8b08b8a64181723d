"""The changes of a new picked repository are listed: packages with their versions, and all other files by path."""

from __future__ import annotations

from dataclasses import dataclass

from portage_ext.repositories.pick.assembly import Plan
from portage_ext.repositories.pick.overlay import ebuilds
from portage_ext.repositories.record import RECORD
from portage_ext.repositories.swap import Contents


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """The versions of a package before and after; None if it is not there. If they are equal, only other files of it change."""

    cp: str
    before: tuple[str, ...]
    now: tuple[str, ...]

    def __str__(self) -> str:
        if not self.before:
            return f"+ {self.cp}: {', '.join(self.now)}"
        if not self.now:
            return f"- {self.cp}: {', '.join(self.before)}"
        gone, new = sorted(set(self.before) - set(self.now)), sorted(set(self.now) - set(self.before))
        words = [f"-{one}" for one in gone] + [f"+{one}" for one in new] or ["the same versions, with other files"]
        return f"~ {self.cp}: {', '.join(words)}"


@dataclass(frozen=True, slots=True)
class Changes:
    """All changes; ``others`` are files outside of packages, without md5-cache and the record."""

    packages: tuple[Change, ...]
    others: tuple[str, ...]


def changes(plan: Plan) -> Changes:
    """The changes if ``plan`` is applied."""
    before, now = _packages(plan.before), _packages(plan.contents)
    found = [
        Change(cp, _versions(cp, before.get(cp, {})), _versions(cp, now.get(cp, {})))
        for cp in before.keys() | now.keys()
        if before.get(cp) != now.get(cp)
    ]
    others = {
        path
        for path in plan.before.keys() | plan.contents.keys()
        if plan.before.get(path) != plan.contents.get(path) and _is_other(path)
    }
    return Changes(tuple(sorted(found)), tuple(sorted(others)))


def _packages(contents: Contents) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for path, file in contents.items():
        category, _, rest = path.partition("/")
        if "/" in rest and category not in ("metadata", "profiles"):
            found.setdefault(f"{category}/{rest.partition('/')[0]}", {})[path] = file
    return found


def _is_other(path: str) -> bool:
    return (
        path != RECORD
        and not path.startswith("metadata/md5-cache/")
        and (path.count("/") < 2 or path.startswith(("metadata/", "profiles/")))
    )


def _versions(cp: str, paths: dict[str, object]) -> tuple[str, ...]:
    return tuple(sorted(cpv[len(cp) + 1 :] for cpv in ebuilds(cp, paths)))

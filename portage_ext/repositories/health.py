"""`portage-ext check` reports for each made repository how old it is, what was refused, and what waits for a person."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from portage_ext import words
from portage_ext.host.here import here
from portage_ext.limits import repositories as limits
from portage_ext.policy import health
from portage_ext.policy.health import Area, Finding
from portage_ext.repositories import history, record, tree
from portage_ext.repositories.history import History
from portage_ext.repositories.pick import wanted
from portage_ext.repositories.record import Kind, Record
from portage_ext.repositories.tree import Section


def areas() -> dict[str, Callable[[], Area]]:
    """Make an area for each such repository in repos.conf, by name. Raises SettingsError, UnknownPortageError."""
    host = here()
    found = [section for section in tree.sections() if section.sync_type in tree.MADE]
    return {called: partial(_area, called, one, host.config_root, host.eroot) for one in found if (called := _called(one))}


def _called(section: Section) -> str:
    return f"repository {section.name}"


def _area(called: str, section: Section, config_root: Path, eroot: Path) -> Area:
    listed: frozenset[str] = frozenset()
    if section.sync_type == "pick":
        path = Path(section.options.get(wanted.OPTION) or config_root / wanted.PACKAGES)
        listed = frozenset(one.cp for one in wanted.read(path) if one.overlay == section.name)
    made = record.load(section.location)
    known = history.load(eroot, section.name)
    now = int(time.time())
    return Area(called, _summary(made, known, now), tuple(findings(section, made, known, listed, now)))


def _summary(made: Record | None, known: History, now: int) -> str:
    if made is None:
        return "not there"
    packages = words.counted(sum(not one.name.startswith("eclass/") for one in made.items))
    return f"{packages}, synced {words.spell(now - known.succeeded)} ago" if known.succeeded else packages


def findings(section: Section, made: Record | None, known: History, listed: Collection[str], now: int) -> Iterator[Finding]:
    """Yield the problems of a repository. ``made`` is its record and ``listed`` are the packages on its list (pick)."""
    name = section.name
    sync, show = f"emaint sync -r {name}", f"portage-ext pick list {name}"
    if section.sync_type == "pypi":
        show = f"portage-ext pypi --repository {name} list"
    if known.failed > known.succeeded:
        yield health.warning(f"the last sync, {words.spell(now - known.failed)} ago, failed: {known.why}", sync)
    elif made is None:
        yield health.warning("it has never been synced", sync)
    elif known.succeeded and now - known.succeeded > limits.SYNC_OLD:
        yield health.warning(f"it was last synced {words.spell(now - known.succeeded)} ago", sync)
    if made is None:
        return
    by_kind = {kind: [one.name for one in made.remarks if one.kind is kind] for kind in Kind}
    if held := by_kind[Kind.HELD]:
        yield health.warning(
            f"{words.counted(len(held), 'new name')} in what your projects need, waiting for your consent: {health.some(held)}",
            f"portage-ext pypi --repository {name} confirm, which shows them; then confirm those that are right",
        )
    if refused := [*by_kind[Kind.REFUSED], *by_kind[Kind.KEPT]]:
        yield health.warning(
            f"{words.counted(len(refused), 'name')} refused, or left at what an earlier sync made: {health.some(refused)}",
            f"{show}, which says why; mend what it names, or take the packages off the list",
        )
    if absent := [one for one in by_kind[Kind.MISSING] if one in listed] + by_kind[Kind.MOVED]:
        yield health.warning(
            f"{words.counted(len(absent), 'listed package')} moved or not in the overlay: {health.some(absent)}",
            f"{show}, and correct the list",
        )
    if masters := [one for one in by_kind[Kind.MISSING] if "/" not in one]:
        yield health.warning(
            f"the overlay builds on repositories that are not here: {', '.join(masters)}",
            f"{show}; add them to repos.conf, or set `masters` of [{name}] there",
        )
    if new := sorted({*listed} - {one.name for one in made.items} - {one.name for one in made.remarks}):
        yield health.warning(f"listed since the last sync: {health.some(new)}", sync)

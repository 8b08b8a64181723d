"""`portage-ext target copy`: what would leave the host is shown first; then it is copied, compared, and told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from portage_ext.builds.cages import copying
from portage_ext.builds.cages.copying import Copy
from portage_ext.builds.layers.laying import Came
from portage_ext.builds.places import Places
from portage_ext.cli import places
from portage_ext.cli.screen import Screen
from portage_ext.host.here import here, repository_locations
from portage_ext.targets import stage
from portage_ext.targets.capture import Target
from portage_ext.targets.copying.listing import Left
from portage_ext.targets.copying.session import Session
from portage_ext.words import counted, size

_FULL = 40
"""Files that stay on the host and are shown, unless this is a dry run."""


def copy(
    name: str, captured: Target, host: Session, repositories: Sequence[Path], screen: Screen, *, dry_run: bool
) -> Target | None:
    """Copy ``host`` for the target ``name``. Returns the target; None in a dry run. Raises PortageExtError, OSError."""
    known = {**repository_locations(), **{stage.name_of(path, name): path.resolve() for path in repositories}}
    plan = copying.plan(name, captured, host, Places.below(here().eroot), known)
    _show(plan, host.left, screen, full=dry_run)
    if dry_run:
        screen.line("Nothing was saved.")
        return None
    target, came = plan.perform(host, _pkgdirs())
    _tell(came, screen)
    return target


def _pkgdirs() -> list[Path]:
    """Every PKGDIR of this host in which the packages of the host may be."""
    its = places.here().settings.publishing.repositories.values()
    return [here().pkgdir, *(one.pkgdir for one in its if one.pkgdir is not None)]


def _show(plan: Copy, left: Sequence[Left], screen: Screen, *, full: bool) -> None:
    rows = []
    for one in reversed(plan.layers):
        files = sum(entry.kind == "f" for entry in one.entries)
        there = "exists" if one.exists else "to make"
        rows.append((one.name, counted(files, "file"), size(one.size), there, one.content[:12]))
    screen.table(rows, ("bold",))
    if full:
        screen.line("Files that no package owns:", "bold")
        for entry in plan.layers[-1].entries:
            if entry.kind == "f" and entry.path not in plan.made:
                screen.text(f"{entry.path} ({size(entry.size)})", first="  ", indent="    ")
    if left:
        screen.line(f"{counted(len(left), 'file')} of packages stay on the host:", "bold")
        for here_only in left if full else left[:_FULL]:
            screen.text(f"{here_only.path}: {here_only.why}", first="  ", indent="    ")
        if not full and len(left) > _FULL:
            screen.line(f"  and {len(left) - _FULL} more; --dry-run shows all")


def _tell(came: Came, screen: Screen) -> None:
    screen.line(
        f"copied {size(came.host)} from the host, {size(came.packages)} from published packages, and {size(came.layers)} from "
        "layers of other targets"
    )

"""Binhosts and clients share these steps: sync, plan, emerge, and the rebuilds and removals that are needed afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from portage_ext.config.updating import Updating
from portage_ext.tasks.site import Site
from portage_ext.updates import emerging
from portage_ext.updates.commands import Commands, Ended
from portage_ext.updates.engine import Step
from portage_ext.updates.journal import Journal
from portage_ext.updates.result import Failed, Outcome, Result, done, nothing
from portage_ext.words import counted

PRESERVED: Final = "var/lib/portage/preserved_libs_registry"


@dataclass(frozen=True, slots=True)
class Emerging:
    """The shared steps for one host. ``words`` are added to the command line of each emerge that installs packages."""

    site: Site
    commands: Commands
    words: tuple[str, ...] = ()

    @property
    def settings(self) -> Updating:
        return self.site.settings.updating

    @property
    def request(self) -> tuple[str, ...]:
        return (*self.settings.options, *self.settings.what)

    def sync(self, journal: Journal) -> Result:
        ended = self.commands.emerge("sync", "--sync", "--quiet")
        if ended.status == 0:
            return done("the repositories are synced")
        failed = Failed("sync", f"emerge --sync ended with status {ended.status}", str(ended.log), ended.last())
        return Result(Outcome.PARTLY, "not everything could be synced; the update goes on with what is there", failed=(failed,))

    def plan(self, journal: Journal) -> Result:
        packages = emerging.plan(self.commands, (*self.request, *self.words))
        if not packages:
            return nothing("nothing to update")
        listed = tuple(f"{'binary' if one.binary else 'compile'} {one.cpv}" for one in packages)
        seconds = sum(one.seconds or 0 for one in packages if not one.binary)
        return Result(Outcome.DONE, emerging.summary(packages), packages=listed, numbers={"seconds": int(seconds)})

    def vulnerable(self, journal: Journal) -> Result:
        """Merge first what a GLSA calls vulnerable, as far as it is in the plan. The step `emerge` reports what came."""
        from portage_ext.host.glsas import Glsas  # before the first merge, so Portage is not replaced while it is asked

        planned = {emerging.name_of(one.partition(" ")[2]) for one in journal.results["plan"].packages}
        found = [one for one in Glsas().installed() if one.advisories[0].name in planned] if planned else []
        if not found:
            return nothing("no GLSA applies to an installed package of the plan")
        atoms = dict.fromkeys(f"{one.advisories[0].name}:{one.slot.partition('/')[0]}" for one in found)
        words = ("--keep-going=y", "--oneshot", *self.words, *self.settings.options)
        ended = self.commands.emerge("vulnerable", *words, *atoms)
        told = tuple(f"{one.cpv} was vulnerable: {one}" for one in found)
        return replace(_ended(ended, f"{counted(len(atoms), 'vulnerable package')} updated first"), told=told)

    def emerge(self, journal: Journal) -> Result:
        plan = journal.results["plan"]
        planned = [one.partition(" ")[2] for one in plan.packages]
        if not planned:
            return nothing("nothing to merge")
        ended = self.commands.emerge("emerge", "--keep-going=y", *self.words, *self.request)
        return emerging.judged(ended, planned, self.site.eroot, journal.begun)

    def preserved(self, journal: Journal) -> Result:
        if not preserved_libraries(self.site.eroot):
            return nothing("no library is kept for packages that still use it")
        ended = self.commands.emerge("preserved-rebuild", "--keep-going=y", *self.words, "@preserved-rebuild")
        return _ended(ended, "packages that use kept libraries are built again")

    def depclean(self, journal: Journal) -> Result:
        return _ended(self.commands.emerge("depclean", "--depclean"), "packages that nothing needs are removed")

    def steps(self) -> list[Step]:
        """The steps that come first on binhosts and clients."""
        found = [
            Step("sync", "sync the ebuild repositories", self.sync),
            Step("plan", "ask emerge what is to be done", self.plan),
            Step("vulnerable", "update first what a GLSA calls vulnerable", self.vulnerable),
            Step("emerge", f"emerge {' '.join(self.request)}", self.emerge),
        ]
        if self.settings.preserved_rebuild:
            found.append(Step("preserved-rebuild", "emerge @preserved-rebuild", self.preserved))
        if self.settings.depclean:
            found.append(Step("depclean", "emerge --depclean", self.depclean))
        return found


def preserved_libraries(eroot: Path) -> bool:
    """Whether Portage preserves libraries for packages that still use them; also True if its registry cannot be read."""
    try:
        return bool(json.loads((eroot / PRESERVED).read_bytes() or b"{}"))
    except FileNotFoundError:
        return False
    except ValueError:
        return True


def _ended(ended: Ended, line: str) -> Result:
    if ended.status == 0:
        return done(line)
    line = f"emerge ended with status {ended.status}"
    failed = emerging.failures(ended.lines) or [Failed("emerge", line, str(ended.log), ended.last())]
    return Result(Outcome.PARTLY, line, failed=tuple(failed))

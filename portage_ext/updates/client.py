"""The update steps of a client go from the sync to the report of what a person must still do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from portage_ext.updates import emerging, restarts
from portage_ext.updates.emerging import Planned
from portage_ext.updates.engine import Step
from portage_ext.updates.journal import Journal
from portage_ext.updates.merging import Emerging
from portage_ext.updates.result import Held, Outcome, Result, nothing
from portage_ext.words import counted

_ROUNDS: Final = 8
"""How often the plan is made again without packages that would be compiled. Excluding one package can make emerge compile
another one."""
_WOULD_COMPILE: Final = "no binary fits, and `compile` of [update] is false (portage-ext why says what would change that)"


@dataclass(frozen=True, slots=True)
class Client:
    """The steps of a client. ``first`` has the steps that are the same on a binhost."""

    first: Emerging

    def plan(self, journal: Journal) -> Result:
        """Make the plan and count its packages. Packages that would be compiled are excluded if the settings say so."""
        emerge = self.first
        if emerge.settings.compile:
            return emerge.plan(journal)
        held: dict[str, Held] = {}
        packages: list[Planned] = []
        for _ in range(_ROUNDS):
            packages = emerging.plan(emerge.commands, (*emerge.request, *_exclude(held)))
            built = [one.cpv for one in packages if not one.binary]
            if not built:
                break
            held |= {emerging.name_of(cpv): Held(cpv, _WOULD_COMPILE) for cpv in built}
        else:
            packages = []
        listed = tuple(f"binary {one.cpv}" for one in packages)
        line = emerging.summary(packages) if packages else "nothing to update"
        outcome = Outcome.DONE if packages else Outcome.NOTHING
        return Result(outcome, line, held=tuple(held.values()), packages=listed)

    def vulnerable(self, journal: Journal) -> Result:
        return self._bound(journal).vulnerable(journal)

    def emerge(self, journal: Journal) -> Result:
        return self._bound(journal).emerge(journal)

    def _bound(self, journal: Journal) -> Emerging:
        """What merges no more than the plan of ``journal``."""
        if self.first.settings.compile:
            return self.first
        plan = journal.results["plan"]
        held = {emerging.name_of(one.what): one for one in plan.held}
        # --usepkgonly makes sure that nothing is compiled, even if something changed after the plan was made.
        return replace(self.first, words=("--usepkgonly", *_exclude(held)))

    def configuration(self, journal: Journal) -> Result:
        from portage_ext.host.protected import waiting

        found = waiting()
        if not found:
            return nothing("no configuration file waits to be merged")
        line = f"{counted(len(found), 'configuration file')} to merge: run dispatch-conf or etc-update"
        return Result(Outcome.DONE, line, told=tuple(map(str, found)))

    def restart(self, journal: Journal) -> Result:
        lines = restarts.advice(restarts.stale())
        if not lines:
            return nothing("no process runs replaced files")
        return Result(Outcome.DONE, f"{counted(len(lines), 'program')} to restart", told=tuple(lines))

    def steps(self) -> list[Step]:
        own = {"plan": self.plan, "vulnerable": self.vulnerable, "emerge": self.emerge}
        found = [replace(step, run=own.get(step.name, step.run)) for step in self.first.steps()]
        return [
            *found,
            Step("configuration", "look for configuration files to merge", self.configuration),
            Step("restart", "look for programs to restart", self.restart),
        ]


def _exclude(held: dict[str, Held]) -> tuple[str, ...]:
    return tuple(f"--exclude={name}" for name in held)

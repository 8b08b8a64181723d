"""The update steps that only a binhost has turn the packages that emerge has built into a release for clients."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from portage_ext.config.updating import Updating
from portage_ext.releases.contents import difference
from portage_ext.releases.gates import described
from portage_ext.releases.made import Offered
from portage_ext.tasks.site import Site
from portage_ext.unattended import marks
from portage_ext.updates import promotion
from portage_ext.updates.commands import Commands
from portage_ext.updates.engine import Step
from portage_ext.updates.journal import Journal
from portage_ext.updates.result import Failed, Held, Outcome, Result, done, nothing
from portage_ext.words import counted, minute, size

NEEDED_GATES: Final = ("closure", "contracts")
"""The gates that a release must always pass before it is promoted, even if the channel is configured without them."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """The steps that make a release of the built packages, promote it, and copy it to the mirrors."""

    site: Site
    commands: Commands
    clock: Callable[[], float] = time.time

    @property
    def settings(self) -> Updating:
        return self.site.settings.updating

    def clean(self, journal: Journal) -> Result:
        found = self.commands.own("clean", "clean", "--remove", "--json", accept=(0, 1))[0]
        count = len(found["packages"])
        return (
            done(f"{counted(count)} removed from PKGDIR, {size(found['freed'])} freed") if count else nothing("PKGDIR is clean")
        )

    def publish(self, journal: Journal) -> Result:
        """Sign and index the packages, check them, and publish them into staging."""
        left = marks.free(self.site.config_root)
        signed = self.commands.own("publish", "sign", "--json", accept=(0, 1))[0]
        failed = [Failed(Path(path).name, f"not signed: {why}") for path, why in signed["failed"].items()]
        failed += [Failed(Path(path).name, "the xpak format cannot be signed") for path in signed["xpak"]]
        left_out = [Held(path, f"left out of the index: {why}") for path, why in signed["left_out"].items()]
        words = ("publish", "--channel", self.settings.staging, "--unless-held", "--json")
        answer = self.commands.own("publish", *words, accept=(0, 1))[0]
        if "findings" in answer:
            held = [*left_out, *_findings(answer["findings"])]
            line = f"the gates refused the release; {self.settings.staging} stays as it is"
            return Result(Outcome.PARTLY, line, failed=tuple(failed), held=tuple(held))
        marks.remove(left)
        told = self._published(answer, self.settings.staging)
        outcome = Outcome.PARTLY if failed else told.outcome
        return replace(told, outcome=outcome, failed=tuple(failed), held=(*left_out, *told.held))

    def _published(self, answer: Any, channel: str) -> Result:
        number = int(answer["release"])
        if answer["held"] is not None:
            held = self.site.tree().held(channel)
            return Result(Outcome.DONE, f"{channel} is {held}; nothing was published", held=(Held(channel, str(held)),))
        waiting = _waiting(answer["waiting"])
        if not answer["published"]:
            return replace(nothing(f"{channel}: no difference to release {number}"), held=waiting)
        warnings = tuple(f"{one.what}: {one.why}" for one in _findings(answer["warnings"]))
        if answer["deltas"] is not None:
            warnings += (str(Offered(**{name: int(answer["deltas"][name]) for name in ("count", "size", "saved")})),)
        counts = {name: answer[name] for name in ("added", "removed", "rebuilt")}
        change = ", ".join(f"{count} {name}" for name, count in counts.items())
        if answer["beside"]:
            # As publish itself says it.
            change = f"{change if any(counts.values()) else 'no package differs'}; new: {', '.join(answer['beside'])}"
        line = f"release {number} of {channel}: {change}"
        return Result(Outcome.DONE, line, told=warnings, numbers={"release": number}, held=waiting)

    def trial(self, journal: Journal) -> Result:
        tree, settings = self.site.tree(), self.settings
        live = tree.channels().get(settings.staging)
        if live is None:
            return nothing(f"{settings.staging} has no release")
        if tree.note(live).content in journal.passed:
            return nothing(f"release {live} has passed its trial already")
        words = ("trial", settings.staging, "--against", settings.production, "--most", str(settings.trial), "--json")
        answer = self.commands.own("trial", *words, accept=(0, 1))[0]
        if answer["findings"]:
            line = f"release {answer['release']} did not pass its trial installation"
            return Result(Outcome.PARTLY, line, held=tuple(_findings(answer["findings"])))
        said = f"{answer['tried']} of {counted(answer['changed'], 'changed package')} installed"
        if not answer["changed"]:
            said = f"{settings.production} has all of its packages already"
        line = f"release {answer['release']}: {said}"
        return Result(Outcome.DONE, line, numbers={"passed": int(answer["content"])})

    def promote(self, journal: Journal) -> Result:
        tree, settings = self.site.tree(), self.settings
        choice = promotion.choose(tree, settings, journal.passed, int(self.clock()))
        held = (Held(settings.production, choice.why),) if choice.why else ()
        if choice.number is None:
            line = f"nothing was promoted: {choice.why}" if choice.why else f"there is nothing new for {settings.production}"
            return Result(Outcome.NOTHING, line, held=held)
        before = tree.channels().get(settings.production)
        rules = self.site.settings.publishing.of(settings.production)
        words = ["promote", settings.staging, settings.production, "--release", str(choice.number), "--unless-held", "--json"]
        if rules.gates is not None:
            words += ["--gates", ",".join(dict.fromkeys((*rules.gates, *NEEDED_GATES)))]
        answer = self.commands.own("promote", *words, accept=(0, 1))[0]
        if "findings" in answer:
            line = f"the gates refused release {choice.number}; {settings.production} stays as it is"
            return Result(Outcome.PARTLY, line, held=(*held, *_findings(answer["findings"])))
        told = self._published(answer, settings.production)
        came = _news(tree, before, told.numbers.get("release"))
        return replace(told, came=came, held=(*held, *told.held))

    def mirror(self, journal: Journal) -> Result:
        answers = self.commands.own("mirrors", "mirror", "--json", accept=(0, 1))
        failed = tuple(Failed(one["mirror"], one["error"]) for one in answers if one["error"] is not None)
        if failed:
            return Result(
                Outcome.PARTLY, f"{len(failed)} of {counted(len(answers), 'mirror')} could not be updated", failed=failed
            )
        return done(f"{counted(len(answers), 'mirror')} up to date")

    def steps(self) -> list[Step]:
        """The steps that follow those of ``Emerging``, according to the settings."""
        settings = self.settings
        found = [Step("clean", "remove from PKGDIR what is no longer needed", self.clean)] if settings.clean else []
        found.append(Step("publish", f"sign, index, check and publish into {settings.staging}", self.publish))
        if settings.staging != settings.production:
            if settings.trial:
                found.append(Step("trial", "install what changed in a scratch root", self.trial))
            found.append(Step("promote", f"promote to {settings.production} ({settings.promote})", self.promote))
        if settings.mirrors and any(one.repository is None for one in self.site.settings.publishing.mirrors.values()):
            found.append(Step("mirrors", "push to the mirrors", self.mirror))
        return found


def _findings(found: Sequence[Any]) -> list[Held]:
    return [Held(str(one["where"]), f"[{one['gate']}] {one['what']}") for one in found]


def _waiting(found: Any) -> tuple[Held, ...]:
    """The packages that wait for clients to have the toolchain."""
    if found is None:
        return ()
    why = f"waits until {minute(int(found['until']))}, so that clients first get {', '.join(map(str, found['toolchain']))}"
    return tuple(Held(str(one), why) for one in found["packages"])


def _news(tree: Any, before: int | None, after: int | None) -> tuple[str, ...]:
    """The packages that are new for clients."""
    if after is None:
        return ()
    contents = tree.contents(after)
    if before is None or before not in tree.numbers():
        return tuple(sorted(described(contents.entry(path)) for path in contents.entries))
    found = difference(tree.contents(before), contents)
    return tuple(sorted(described(one) for one in (*found.added, *(one.after for one in found.rebuilt))))

"""Random systems of the pool and what is done to them by real emerge: is anything refused that was harmless, or broken?

    python -m tests.system.toolchain.random_merges FIRST_SEED LAST_SEED    (test_random_plans runs it, too)

What is seen of one seed is one value (:class:`Played`); what counts as a false alarm and as a break is said there.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.testkit import pool as kit
from tests.testkit.outcome import Outcome
from tests.testkit.pool import Fall, Pool, falls
from tests.testkit.roots import Merge, Root

STATES: dict[str, list[tuple[str, ...]]] = {
    "ver": [(), ("dev-libs/ver-1", "app-misc/pver-1"), ("dev-libs/ver-2", "app-misc/pver-1"),
            ("dev-libs/ver-2", "app-misc/pver-2")],
    "bump": [(), ("dev-libs/bump-1", "app-misc/pbump-1"), ("dev-libs/bump-2", "app-misc/pbump-2"), ("dev-libs/bump-1",)],
    "priv": [(), ("dev-libs/priv-1", "app-misc/ppriv-1"), ("dev-libs/priv-2", "app-misc/ppriv-1"),
             ("dev-libs/priv-2", "app-misc/ppriv-2"), ("dev-libs/priv-4", "app-misc/ppriv-2")],
    "wrap": [(), ("dev-libs/wrap-1", "app-misc/pwrap-1"), ("dev-libs/wrap-2", "app-misc/pwrap-2")],
    "part": [(), ("dev-libs/whole-1", "app-misc/ppart-1"), ("dev-libs/whole-2", "dev-libs/part-1", "app-misc/ppart-2"),
             ("dev-libs/whole-1",)],
    "one": [(), ("dev-libs/one-1", "dev-libs/two-1", "app-misc/pone-1"), ("dev-libs/two-2", "app-misc/pone-1")],
    "own": [(), ("dev-libs/own-2", "app-misc/pown-1")],
    "ld": [(), ("dev-libs/ld-1", "app-misc/pld-1"), ("dev-libs/ld-2", "app-misc/pld-1"), ("dev-libs/ld-2", "app-misc/pld-2")],
    "move": [(), ("dev-libs/old-1", "app-misc/pmove-1"), ("dev-libs/old-2", "dev-libs/new-1", "app-misc/pmove-2")],
}  # fmt: skip
"""Each family of the pool, by the name of its program without the p, and how a system can have it so that it runs."""
LIBRARIES = {"part": ("whole", "part"), "one": ("one", "two"), "move": ("old", "new")}
"""The packages of a family that has not one of the same name."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is done to which system; commands are arguments of emerge, the last of which may resume."""

    installed: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    ownerless: bool
    sparse: bool
    features: str
    compiled: frozenset[str]
    stumbles: bool


def _versions(name: str) -> list[str]:
    return [cpv for cpv in kit.PACKAGES if cpv.rsplit("-", 1)[0].split("/")[1] == name]


def case(seed: int) -> Case:
    """The case of ``seed``, always the same."""
    dice = random.Random(seed)
    families = sorted(dice.sample(sorted(STATES), dice.choice((1, 1, 2, 3))))
    installed = [cpv for family in families for cpv in dice.choice(STATES[family])]
    commands, compiled = [], set()
    for _ in range(dice.choice((1, 1, 1, 2))):
        wanted = []
        for family in families:
            for name in (*LIBRARIES.get(family, (family,)), f"p{family}"):
                if dice.random() < (0.75 if len(families) < 3 else 0.5):
                    wanted.append(f"={dice.choice(_versions(name))}")
        if dice.random() < 0.1:
            wanted.append("=dev-libs/made-1")
        dice.shuffle(wanted)
        source = {one[1:].rsplit("-", 1)[0] for one in wanted if one.startswith("=dev-libs/") and dice.random() < 0.25}
        source |= {"dev-libs/made"}
        compiled |= source
        options = [word for name in sorted(source) for word in ("--usepkg-exclude", name)]
        options += ["--jobs", "4"] if dice.random() < 0.35 else []
        options += [dice.choice(("--nodeps", "--nodeps", "--onlydeps"))] if dice.random() < 0.15 else []
        if {"--nodeps", "--jobs"} <= {*options}:
            # Portage throws its graph away then: what comes first is luck, with the plugin and without it.
            options.remove("--jobs")
            options.remove("4")
        if wanted:
            commands.append(("-1k", *options, *wanted))
    libraries = [cpv for cpv in installed if cpv.startswith("dev-libs/")]
    if libraries and dice.random() < 0.2:
        commands.append(("--unmerge", f"={dice.choice(libraries)}"))
    stumbles = bool(commands) and "-1k" in commands[-1] and "--nodeps" not in commands[-1] and dice.random() < 0.15
    if stumbles:
        commands[-1] = (*commands[-1], "=app-misc/stumble-1")
        commands.append(("--resume", "--skipfirst", "-k"))
    return Case(
        tuple(installed),
        tuple(commands),
        "own" in families and "dev-libs/own-2" not in installed,
        dice.random() < 0.3,
        "-preserve-libs" if dice.random() < 0.4 else "",
        frozenset(compiled),
        stumbles,
    )


@dataclass(slots=True)
class Run:
    """What the commands of a case did to one system."""

    outcomes: list[Outcome] = field(default_factory=list)
    falls: list[Fall] = field(default_factory=list)
    passing: list[Fall] = field(default_factory=list)
    """Of programs that the same commands have replaced since: the new one needs the new library, or --nodeps says the order."""
    told: list[Fall] = field(default_factory=list)
    """By what was compiled, or with a library where its RUNPATH does not lead: not proven before, and emerge warned of it."""

    @property
    def refused(self) -> bool:
        return any(run.status and "portage-ext: " in run.text and " needs " in run.text for run in self.outcomes)


def _run(case: Case, root: Root) -> Run:
    if case.stumbles:
        (root.path / "etc/fail-stumble").touch()
    found, seen = Run(), dict[str, tuple[Fall, int, list[Merge]]]()
    for number, command in enumerate(case.commands):
        before = len(root.merges())
        found.outcomes.append(root.emerge(*command))
        for fall in falls(root):
            seen.setdefault(fall.owner, (fall, number, root.merges()[before:]))
    there = root.installed()
    for fall, number, merges in seen.values():
        place = next((place for place, one in enumerate(merges) if one.cpv == fall.before), len(merges))
        # The step after which it was seen first; what failed before it was merged did nothing.
        cause = next((one for one in reversed(merges[:place]) if one.done), None)
        same_run = {one.cpv.rpartition("-")[0] for one in merges[place:] if one.done}
        if fall.owner not in there or fall.owner.rpartition("-")[0] in same_run:
            found.passing.append(fall)
        elif _warned(found.outcomes[number], fall.owner, cause):
            found.told.append(fall)
        else:
            found.falls.append(fall)
    return found


def _warned(run: Outcome, owner: str, cause: Merge | None) -> bool:
    """Whether emerge warned that the program may not find its library, or that what was compiled takes it away."""
    if f"but {owner} looks only in" in run.text:
        return True
    if cause is None or cause.kind != "ebuild":
        return False
    _, line, victims = run.text.partition(f"portage-ext: {cause.cpv} removes symbols that installed packages need.")
    return bool(line) and f" {owner} needs " in victims.partition("emerge --oneshot")[0]


@dataclass(frozen=True, slots=True)
class Played:
    """A false alarm is a refusal where Portage alone does all and breaks nothing; a break, a program that does not start."""

    seed: int
    case: Case
    ours: Run
    plain: Run | None

    @property
    def false_alarm(self) -> bool:
        if self.plain is None or any(run.status for run in self.plain.outcomes):
            return False
        return not (self.plain.falls or self.plain.passing or self.plain.told)

    @property
    def breaks(self) -> bool:
        return bool(self.ours.falls)


def play(seed: int, pool: Pool, work: Path) -> Played:
    """Do what the case of ``seed`` says, and without the plugin once more where something was refused."""
    done = case(seed)
    settings = {"sparse": done.sparse, "ownerless": done.ownerless, "features": done.features}
    ours = _run(done, kit.system(work / "ours", pool, done.installed, **settings))
    plain = None
    if ours.refused:
        plain = _run(done, kit.system(work / "plain", pool, done.installed, plugin=False, **settings))
    return Played(seed, done, ours, plain)


def report(played: list[Played]) -> str:
    """Both rates, in one line."""
    alarms, breaks = [one.seed for one in played if one.false_alarm], [one.seed for one in played if one.breaks]
    refused = sum(one.ours.refused for one in played)
    passing, told = sum(bool(one.ours.passing) for one in played), sum(bool(one.ours.told) for one in played)
    return (
        f"{len(played)} plans: {len(alarms)} false alarms {alarms or ''}, {len(breaks)} breaks {breaks or ''}; "
        f"{refused} refused, {passing} with a break of what the same run replaces, {told} broken after a warning"
    )


def details(one: Played) -> str:
    """Everything that a person wants to know of a seed that is not as it should be."""
    texts = [f"seed {one.seed}: {one.case}", f"ours: {one.ours.falls}", *map(str, one.ours.outcomes)]
    return "\n".join(
        [*texts, f"plain: {one.plain.falls if one.plain else ''}", *map(str, one.plain.outcomes if one.plain else ())]
    )


def main() -> None:
    pool = kit.built()
    start = time.monotonic()
    played = []
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        work = Path(tempfile.mkdtemp(prefix="pe-"))
        work.chmod(0o755)
        try:
            played.append(play(seed, pool, work))
        finally:
            shutil.rmtree(work, ignore_errors=True)
        if played[-1].false_alarm or played[-1].breaks:
            print(details(played[-1]), flush=True)
        print(f"{seed}: {time.monotonic() - start:.0f} s: {report(played)}", flush=True)


if __name__ == "__main__":
    main()

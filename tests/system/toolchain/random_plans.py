"""Random merge lists, resolved by Portage's own resolver with the plan check and without it. Run by test_random_plans.

    python random_plans.py FIRST_SEED LAST_SEED

Prints one JSON object a seed: both lists, and the edges that contracts ask for in Portage's own list.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from _emerge.depgraph import depgraph
from portage.const import GLOBAL_CONFIG_PATH
from portage.tests.resolver.ResolverPlayground import ResolverPlayground

from portage_ext.emerge import patching
from portage_ext.emerge.plan import ordering
from portage_ext.model.contract import KEY, Need, SymbolContract

CATEGORY = "x86_64"


class Playground(ResolverPlayground):  # type: ignore[misc]
    """Portage's own, which expects the sets of @system and @world below usr/, where a wheel does not put them."""

    def _create_profile(self, *args: Any, **kwargs: Any) -> None:
        super()._create_profile(*args, **kwargs)
        folder = Path(self.eroot, GLOBAL_CONFIG_PATH.lstrip("/"))
        if not (folder / "sets").exists():
            (folder / "sets").symlink_to((folder / "make.globals").resolve().parent / "sets")


def packages(dice: random.Random) -> dict[str, dict[str, str]]:
    """Binaries with random dependencies, some of them circular, and random needs of each other's libraries."""
    names = [f"dev-libs/{letter}" for letter in "ABCDEFGH"[: dice.randrange(3, 9)]]
    found = {}
    for place, name in enumerate(names):
        others = [other for other in names if other != name]
        needs = tuple(
            Need(CATEGORY, f"lib{other[-1]}.so.1", frozenset({f"{other[-1]}_{dice.randrange(1, 3)}"}))
            for other in sorted(dice.sample(others, dice.randrange(0, min(3, len(others)))))
        )
        contract = SymbolContract(needs, {(CATEGORY, f"lib{name[-1]}.so.1"): frozenset({f"{name[-1]}_1", f"{name[-1]}_2"})})
        depends = " ".join(other for other in others if dice.random() < (0.25 if names.index(other) < place else 0.08))
        found[f"{name}-1"] = {
            "RDEPEND": depends,
            "PROVIDES": f"{CATEGORY}: lib{name[-1]}.so.1",
            KEY: str(contract),
            "EAPI": "8",
        }
    return found


def one(seed: int) -> dict[str, Any]:
    dice = random.Random(seed)
    binaries = packages(dice)
    atoms = [cpv.rsplit("-", 1)[0] for cpv in binaries]
    dice.shuffle(atoms)
    playground = Playground(
        binpkgs=binaries,
        debug=False,
        user_config={"make.conf": ('BINPKG_FORMAT="xpak"', 'FEATURES="-binpkg-signing"')},
    )
    options = {"--usepkgonly": True, "--oneshot": True}
    asked: list[tuple[str, str]] = []
    try:
        theirs = playground.run(atoms, options=options).mergelist
        plan = ordering.Plan(playground.settings)
        judge = plan.judge

        def remember(tasks: Any, trees: Any) -> Any:
            listed, verdict = judge(tasks, trees)
            if not asked:
                asked.extend((str(listed[e.earlier].cpv), str(listed[e.later].cpv)) for e in verdict.edges)
            return listed, verdict

        plan.judge = remember  # type: ignore[method-assign]
        ordering.current = plan
        try:
            ours = playground.run(atoms, options=options).mergelist
        finally:
            ordering.current = None
    finally:
        playground.cleanup()
    clean = [[entry.replace("[binary]", "") for entry in (listing or [])] for listing in (theirs, ours)]
    declared = [(f"{name}-1", cpv) for cpv, metadata in binaries.items() for name in metadata["RDEPEND"].split()]
    return {"seed": seed, "theirs": clean[0], "ours": clean[1], "edges": asked, "declared": declared}


def main() -> None:
    ordering.connect()
    assert depgraph._serialize_tasks.__wrapped__ is patching.ORIGINALS[depgraph, "_serialize_tasks"]
    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        print(json.dumps(one(seed)), flush=True)


if __name__ == "__main__":
    main()

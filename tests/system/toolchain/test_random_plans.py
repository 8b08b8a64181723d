"""Over random lists, the plan with the plugin differs from Portage's only by edges that a contract asks for.

And over random systems that are really merged, nothing is refused that would have broken no program, and nothing is broken.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.toolchain import random_merges
from tests.testkit import environments, pool
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

PLANS = int(os.environ.get("RANDOM_PLANS", "24"))
FURTHER = pytest.mark.slow
SEEDS = 12
"""How many of them one process resolves."""
MERGES = PLANS if "RANDOM_PLANS" in os.environ else 2
"""How many are merged: each takes about four seconds, and the first, of which something is refused, twelve."""
AT_ONCE = 4 if "RANDOM_PLANS" in os.environ else 1


def reaches(edges: set[tuple[str, str]], start: str, end: str) -> bool:
    """Whether ``start`` must come before ``end`` by ``edges``, taken together."""
    waiting, seen = [start], set()
    while waiting:
        place = waiting.pop()
        if place == end:
            return True
        if place not in seen:
            seen.add(place)
            waiting += [later for earlier, later in edges if earlier == place]
    return False


@pytest.mark.parametrize("first", [pytest.param(one, marks=FURTHER if one else []) for one in range(0, PLANS, SEEDS)])
def test_plan_differs_only_by_edges_that_a_contract_asks_for(work: Path, first: int) -> None:
    script = Path(__file__).with_name("random_plans.py")
    # Portage's playground wants a system to start from, and tar by its name on BSD.
    running = Root.create(work / "h", environments.environment(), [EbuildRepository.create(work / "repo")])
    (work / "gtar").symlink_to(shutil.which("tar") or "/bin/tar")
    path = f"{work}:{running.variables()['PATH']}"
    owner = {"PORTAGE_USERNAME": running.settings["PORTAGE_USERNAME"], "PORTAGE_GRPNAME": running.settings["PORTAGE_GRPNAME"]}
    seeds = (str(first), str(first + SEEDS))
    done = running.run("python3", str(script), *seeds, PATH=path, PORTAGE_GNUPGHOME=str(work), TMPDIR=str(work), **owner).ok()
    runs = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(runs) == SEEDS
    assert any(run["theirs"] != run["ours"] for run in runs)
    for run in runs:
        theirs, ours = run["theirs"], run["ours"]
        edges = {tuple(edge) for edge in run["edges"]}
        assert sorted(theirs) == sorted(ours), run
        broken = [(earlier, later) for earlier, later in edges if theirs.index(earlier) > theirs.index(later)]
        if not broken:
            assert theirs == ours, run
        for earlier, later in edges:
            # In a cycle of needs and dependencies, with nothing installed, one of them must give way.
            if not reaches(edges | {tuple(pair) for pair in run["declared"]}, later, earlier):
                assert ours.index(earlier) < ours.index(later), (run, earlier, later)


@pytest.mark.parametrize("first", [pytest.param(one, marks=[] if one else FURTHER) for one in range(0, MERGES, AT_ONCE)])
def test_nothing_harmless_is_refused_and_no_program_breaks(
    work: Path, first: int, record_property: Callable[[str, object], None]
) -> None:
    made = pool.built()
    played = []
    for seed in range(first, min(first + AT_ONCE, MERGES)):
        played.append(random_merges.play(seed, made, work / str(seed)))
        shutil.rmtree(work / str(seed))
    record_property("random merges", [(one.seed, one.false_alarm, one.breaks, one.ours.refused) for one in played])
    wrong = [random_merges.details(one) for one in played if one.false_alarm or one.breaks]
    assert not wrong, "\n".join(wrong)

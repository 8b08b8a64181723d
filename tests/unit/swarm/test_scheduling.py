"""Hard constraints hold, nobody starves, and every job that waits has a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.swarm.labels import Labels
from portage_ext.swarm.scheduling import AGEING, Decision, Machine, Waiting, Wish, decide, misfit

ENVIRONMENT = "ab" * 32
WISH = Wish("laptop", ENVIRONMENT, "x86_64", frozenset({"avx2"}), memory=2**30)
LABELS = Labels("x86_64", "A CPU", frozenset({"avx2", "sse4_2"}), 3, 8, 2**34, 2**38, 0.5, {"laptop": ENVIRONMENT})


def machine(name: str, **changes: object) -> Machine:
    return replace(Machine(name, LABELS), **changes)  # type: ignore[arg-type]


def waiting(key: str, **changes: object) -> Waiting:
    return replace(Waiting(key, WISH), **changes)  # type: ignore[arg-type]


def decided(
    jobs: list[Waiting], machines: list[Machine], running: list[tuple[str, str]] | None = None, now: float = 0
) -> Decision:
    return decide(jobs, machines, running or [], now)


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (None, "it has not connected since the coordinator started"),
        (replace(LABELS, targets={}), "it has no environment of laptop"),
        (replace(LABELS, targets={"laptop": "cd" * 32}), "its environment of laptop differs from the target"),
        (replace(LABELS, machine="aarch64"), "it is aarch64, not x86_64"),
        (replace(LABELS, features=frozenset({"sse4_2"})), "its CPU lacks avx2"),
        (replace(LABELS, memory=2**29), "it has 512.0 MiB of memory, and a build may need 1.0 GiB"),
    ],
)
def test_a_hard_constraint_never_gives_way(labels: Labels | None, why: str) -> None:
    one = Machine("b1", labels)
    assert misfit(WISH, one) == why
    found = decided([waiting("k1", priority=9, created=-1e9)], [one])
    assert found.assigned == ()
    assert found.reasons == {"k1": f"no builder can run it: b1: {why}"}


def test_a_code_for_32_bits_runs_on_64() -> None:
    assert misfit(replace(WISH, machine="i686"), machine("b1")) == ""


def test_who_waits_for_a_person_comes_first_and_nothing_starves() -> None:
    jobs = [waiting("old", created=0.0), waiting("person", priority=2, created=900.0)]
    assert decided(jobs, [machine("b1")], now=1000.0).assigned == (("person", "b1"),)
    later = 3 * AGEING
    assert decided([jobs[0], replace(jobs[1], created=later)], [machine("b1")], now=later).assigned == (("old", "b1"),)


def test_targets_share_the_builders() -> None:
    other = replace(WISH, target="desk")
    labels = replace(LABELS, targets={"laptop": ENVIRONMENT, "desk": ENVIRONMENT})
    jobs = [waiting(f"l{n}", created=float(n)) for n in range(4)] + [
        waiting(f"d{n}", wish=other, created=9.0) for n in range(4)
    ]
    machines = [Machine(f"b{n}", labels) for n in range(4)]
    started = [key[0] for key, _ in decided(jobs, machines).assigned]
    assert sorted(started) == ["d", "d", "l", "l"]
    busy = decided(jobs, machines[:2], running=[("", "laptop")] * 2)
    assert [key[0] for key, _ in busy.assigned] == ["d", "d"]


def test_clients_share_the_builders_of_one_target_and_one_that_asks_for_more_gets_no_more() -> None:
    many = [waiting(f"many{n}", client="many", created=float(n)) for n in range(9)]
    few = [waiting(f"few{n}", client="few", created=50.0) for n in range(2)]
    machines = [machine(f"b{n}") for n in range(4)]
    started = [key.rstrip("0123456789") for key, _ in decided([*many, *few], machines).assigned]
    assert sorted(started) == ["few", "few", "many", "many"]
    # What runs for a client counts, whatever its target is.
    assert decided([many[0], few[0]], machines[:1], running=[("many", "desk")]).assigned == (("few0", "b0"),)


def test_who_failed_at_it_gets_it_only_when_nobody_else_can() -> None:
    job = waiting("k1", wish=replace(WISH, avoided=frozenset({"b1"})))
    assert decided([job], [machine("b1"), machine("b2", failures=1)]).assigned == (("k1", "b2"),)
    assert decided([job], [machine("b1")]).assigned == (("k1", "b1"),)
    closed = decided([job], [machine("b1"), machine("b2", closed="it is draining")])
    assert closed.assigned == (("k1", "b1"),)


def test_among_those_that_fit_failures_and_load_decide() -> None:
    calm = machine("calm", labels=replace(LABELS, load=0.1))
    assert decided([waiting("k1")], [machine("a", failures=1), machine("b"), calm]).assigned == (("k1", "calm"),)


def test_every_job_that_waits_has_a_reason() -> None:
    jobs = [waiting("k1", created=1.0), waiting("k2", created=2.0), waiting("k3", blocked="waits for dev-libs/x-1 before it")]
    found = decided([*jobs, waiting("k4", created=3.0)], [machine("b1", running=("other",))])
    assert found.reasons == {
        "k1": "waits for a free builder (b1)",
        "k2": "waits for a free builder (b1), behind 1 other job",
        "k3": "waits for dev-libs/x-1 before it",
        "k4": "waits for a free builder (b1), behind 2 other jobs",
    }
    assert decided([jobs[0]], []).reasons["k1"].startswith("there is no builder")
    closed = decided([jobs[0]], [machine("b1", closed="it is draining")]).reasons["k1"]
    assert closed == "every builder that can run it is closed: b1: it is draining"


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10**5), st.sampled_from("abc"), st.booleans()), max_size=30),
    st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.sets(st.sampled_from("abc"))), max_size=8),
)
def test_each_job_starts_once_on_a_free_builder_that_fits_or_has_a_reason(
    wanted: list[tuple[int, int, str, bool]], there: list[tuple[bool, int, set[str]]]
) -> None:
    jobs = [
        Waiting(f"k{n}", replace(WISH, target=target), priority, float(created), "blocked" if blocked else "")
        for n, (priority, created, target, blocked) in enumerate(wanted)
    ]
    machines = [
        Machine(
            f"b{n}",
            replace(LABELS, targets=dict.fromkeys(targets, ENVIRONMENT)),
            closed="closed" if closed else "",
            slots=slots,
        )
        for n, (closed, slots, targets) in enumerate(there)
    ]
    found = decided(jobs, machines, now=1e5)
    by_name, by_key = {one.name: one for one in machines}, {one.key: one for one in jobs}
    assert {key for key, _ in found.assigned} | found.reasons.keys() == by_key.keys()
    assert len(found.assigned) + len(found.reasons) == len(jobs)
    assert all(found.reasons.values())
    for name, one in by_name.items():
        taken = [by_key[key] for key, builder in found.assigned if builder == name]
        assert len(taken) <= (0 if one.closed else one.slots)
        assert not any(misfit(job.wish, one) or job.blocked for job in taken)


def test_a_group_that_has_built_a_job_does_not_confirm_it() -> None:
    wish = replace(WISH, voted=frozenset({"b1"}), groups=frozenset({"lab"}))
    same = [machine("b1", group="office"), machine("b2", group="lab")]
    found = decided([waiting("k1", wish=wish)], same)
    assert found.assigned == ()
    assert found.reasons["k1"] == (
        "b1 has built it, and another group must confirm it: no builder can run it: b1: it has built it already; "
        "b2: its group lab has built it already"
    )
    assert decided([waiting("k1", wish=wish)], [*same, machine("b3")]).assigned == (("k1", "b3"),)
    alone = replace(WISH, voted=frozenset({"b1"}), groups=frozenset({""}))
    assert misfit(alone, machine("b2")) == "a builder without a group has built it already"
    closed = decided([waiting("k1", wish=wish)], [*same, machine("b3", closed="it is not connected")])
    assert closed.reasons["k1"].endswith("must confirm it: every builder that can run it is closed: b3: it is not connected")

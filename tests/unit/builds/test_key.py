"""The key of a job changes with everything that decides what is built, by the grade, and each difference is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from portage_ext.builds import key
from portage_ext.builds.key import GRADES, Ingredient, Planned, explain
from portage_ext.errors.builds import JobError, UnresolvedError
from tests.unit.builds.examples import job


def libtiny(**changed: str) -> dict[str, dict[str, str]]:
    return {"dev-libs/libtiny:0": dict(job().dependencies["dev-libs/libtiny:0"]) | changed}


@pytest.mark.parametrize(
    "changed",
    [
        {"use": {"foo": "off", "bar": "off"}},
        {"variables": {"CFLAGS": "-O3", "CHOST": "x86_64-pc-linux-gnu"}},
        {"ebuild": {**job().ebuild, "eclass tiny": "e" * 64}},
        {"ebuild": {**job().ebuild, "ebuild": "f" * 64}},
        {"distfiles": {}},
        {"dependencies": libtiny(slot="0/2")},
        {"dependencies": {}},
    ],
)
def test_what_decides_changes_the_key_of_every_grade(changed: dict[str, Any]) -> None:
    for grade in GRADES:
        assert job(**changed).key(grade) != job().key(grade)
        assert explain(job(), job(**changed), grade)


@pytest.mark.parametrize(
    ("changed", "equal"),
    [
        ({"cpv": "dev-libs/libtiny-1.1"}, {"abi"}),
        ({"build_id": "3"}, {"built", "abi"}),
        ({"contents": "0" * 64}, {"built", "abi"}),
    ],
)
def test_a_grade_counts_as_much_of_a_dependency_as_it_says(changed: dict[str, str], equal: set[str]) -> None:
    other = job(dependencies=libtiny(**changed))
    assert {grade for grade in GRADES if other.key(grade) == job().key(grade)} == equal
    for grade in GRADES:
        assert (explain(job(), other, grade) == []) == (grade in equal)


def test_the_grades_are_told_apart() -> None:
    assert len({job().key(grade) for grade in GRADES}) == 3


def test_the_order_of_ingredients_is_none() -> None:
    turned = job(use=dict(reversed([*job().use.items()])), variables=dict(reversed([*job().variables.items()])))
    assert turned.key() == job().key()


def test_a_difference_is_named_with_both_values() -> None:
    assert explain(job(), job(use={"foo": "off", "bar": "off"})) == [Ingredient("use", "foo", "on", "off")]


def test_a_job_comes_back_from_its_text() -> None:
    assert key.job(json.loads(job().emit()), "laptop") == job()


def plan(*changed: dict[str, Any], needs: Sequence[str] = ()) -> bytes:
    named = [(name, dict(values)) for name, values in (*job().dependencies.items(), *job().toolchain.items())]
    bare = json.loads(job().emit()) | {"dependencies": [0], "toolchain": [1]}
    packages = [one.pop("packages") for one in changed if "packages" in one]
    jobs = [{"job": bare | one, "needs": list(needs)} for one in changed]
    return json.dumps({"packages": [*named, *packages], "jobs": jobs}).encode()


def test_a_plan_has_each_package_once_and_its_jobs_have_all() -> None:
    first, second = key.parse(plan({"cpv": "app-misc/first-1"}, {}), "laptop")
    assert second.job == job()
    assert first.job == job(cpv="app-misc/first-1")
    assert first.job.dependencies["dev-libs/libtiny:0"] is second.job.dependencies["dev-libs/libtiny:0"]


def test_what_another_job_brings_counts_by_the_key_of_that_job() -> None:
    first = Planned(job(cpv="dev-libs/libtiny-2", dependencies={}))
    bare = libtiny(cpv="dev-libs/libtiny-2", slot="0/2", build_id="", contents="")
    second = Planned(job(dependencies=bare), ("dev-libs/libtiny-2",))
    for grade in GRADES:
        (one, _), (two, planned) = key.keyed([first, second], grade)
        assert planned.job.dependencies["dev-libs/libtiny:0"]["contents"] == one
        other = replace(first, job=replace(first.job, variables={"CFLAGS": "-O3"}))
        (_, _), (changed, _) = key.keyed([other, second], grade)
        assert (changed == two) == (grade != "exact")
    # By version and sub-slot it is the same job once the package is installed.
    assert key.keyed([first, second], "built")[1][0] == job(dependencies=libtiny(cpv="dev-libs/libtiny-2", slot="0/2")).key()


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no table"),
        (b'{"unresolved": "\\n\\nno ebuilds\\n\\u001b[2J"}', "could not resolve the request:\n  no ebuilds\n  \\x1b[2J"),
        (b'{"unresolved": ""}', "does not say why"),
        (b'{"error": "emerge could not resolve the request"}', "could not resolve"),
        (b'{"jobs": {}, "packages": []}', "no list of"),
        (b'{"jobs": []}', "no list of"),
        (b'{"jobs": [{}], "packages": []}', "other keys"),
        (b'{"jobs": [], "packages": [["dev-libs/libtiny:0"]]}', "no pair"),
        (plan({"cpv": "../x-1"}), "x-1"),
        (plan({"use": {"a": "\x1b[2J"}}), "printable"),
        (plan({"use": {"a": 1}}), "printable"),
        (plan({"packages": ["../x", {}]}), "dependencies"),
        (plan({"packages": ["dev-libs/libtiny:0", {"slot": "\n"}]}), "printable"),
        (plan({"dependencies": [2]}), "not in its list"),
        (plan({"dependencies": [-1]}), "not in its list"),
        (plan({"toolchain": {"dev-libs/libtiny:0": {}}}), "not in its list"),
        (plan({}, {}), "twice"),
        (plan({}, needs=["app-misc/other-1"]), "before what that needs"),
        (plan({}, needs=["../x"]), "before what that needs"),
    ],
)
def test_a_plan_that_is_none_is_refused(document: bytes, why: str) -> None:
    with pytest.raises((JobError, UnresolvedError)) as refused:
        key.parse(document, "laptop")
    assert "target laptop" in str(refused.value)
    assert why in str(refused.value)

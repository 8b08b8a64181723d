from __future__ import annotations

import itertools

import pytest

from portage_ext.policy.getbinpkg import PackageRule, Run, accepts, effect, is_on


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ("", None),
        ("nostrip -sandbox", None),
        ("getbinpkg", True),
        ("-getbinpkg", False),
        ("getbinpkg -getbinpkg", False),
        ("-getbinpkg getbinpkg", True),
        ("getbinpkg -*", False),
        ("-* getbinpkg", True),
        ("getbinpkg-exclude -getbinpkgs", None),
    ],
)
def test_the_last_word_about_the_flag_counts(tokens: str, said: bool | None) -> None:
    assert effect(tokens.split()) is said


@pytest.mark.parametrize(
    ("run", "rule", "on"),
    [
        (Run(on=False), None, False),
        (Run(on=False), True, True),
        (Run(on=False), False, False),
        (Run(on=True), None, True),
        (Run(on=True), True, True),
        (Run(on=True), False, False),
        (Run(on=False, off_in_environment=True), None, False),
        (Run(on=False, off_in_environment=True), True, False),
        (Run(on=True, off_in_environment=True), None, True),
    ],
)
def test_when_getbinpkg_is_on(run: Run, rule: bool | None, on: bool) -> None:
    assert is_on(run, PackageRule(rule)) is on


def test_a_binding_only_ever_narrows() -> None:
    for on, off, rule in itertools.product([True, False], [True, False], [True, False, None]):
        run = Run(on, off)
        free = accepts(run, PackageRule(rule), "lab")
        assert accepts(run, PackageRule(rule, frozenset({"lab"})), "lab") is free
        assert accepts(run, PackageRule(rule, frozenset({"gentoo"})), "lab") is False
        assert accepts(run, PackageRule(rule, frozenset()), "lab") is False

"""The resolver asks for every ebuild whether it waits for a binary: an error there must not end emerge."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from portage_ext.emerge import messages
from portage_ext.emerge.lacking import waiting


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> waiting.Waiting:
    monkeypatch.setenv(messages._VARIABLE, "")
    monkeypatch.delenv(messages._VARIABLE)
    run = waiting.Waiting(SimpleNamespace(opts={}))
    monkeypatch.setattr(waiting, "current", run)
    return run


def package(version: int) -> Any:
    """A package of a configuration that cannot be asked. A mock: no real configuration is like that."""
    root = SimpleNamespace(root="/", settings={})
    return SimpleNamespace(root="/", cp="a/b", cpv=f"a/b-{version}", slot="0", repo="tiny", root_config=root)


def test_a_package_of_which_nothing_can_be_told_does_not_wait(run: waiting.Waiting, capsys: pytest.CaptureFixture[str]) -> None:
    packages = [package(1), package(2)]
    found = waiting._iter_match_pkgs(lambda *_: iter(packages))(None, None, "ebuild", None)
    assert list(found) == packages
    graph = SimpleNamespace(_frozen_config=SimpleNamespace(myopts={}))
    assert waiting._equiv_ebuild_visible(lambda *_: "theirs")(graph, packages[0]) == "theirs"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('portage-ext: not active: BINPKG_ONLY="wait" for a/b-1: KeyError: ')


def test_a_mask_of_which_nothing_can_be_told_is_shown_as_portage_has_it(
    run: waiting.Waiting, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = waiting._get_mask_info(lambda *_: ({}, ["license"]))(SimpleNamespace(root="/"), "a/b-1", None)
    assert shown == ({}, ["license"])
    assert len(capsys.readouterr().err.splitlines()) == 1

"""A run of emerge that no part can change is known by a look at files and options; where it is not sure, the answer is yes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from portage_ext.emerge import relevance


class Settings(dict[str, str]):
    """What of Portage's ``config`` is asked here."""

    def __init__(self, root: Path, *features: str, **layers: dict[str, str]) -> None:
        super().__init__(PORTAGE_CONFIGROOT=str(root))
        self.features = frozenset(features)
        self.configdict = {"env": {}, "conf": {}, "defaults": {}} | layers
        self._penvdict: dict[str, dict[str, tuple[str, ...]]] = {}


def run(settings: Settings, action: str | None = None, **options: object) -> Any:
    opts = {f"--{name}": value for name, value in options.items()}
    return SimpleNamespace(action=action, opts=opts, target_config=SimpleNamespace(settings=settings))


@pytest.mark.parametrize(
    ("text", "concerned"),
    [
        ('FEATURES="getbinpkg"\n', True),
        ('GETBINPKG_FROM="lab"\n', True),
        ('FEATURES="${MORE}"\n', True),
        ('FEATURES="-* sandbox"\n', True),
        ("source other\n", True),
        ("  .\tother\n", True),
        ('CFLAGS="-O3 ${MORE}"\n', False),
        ('FEATURES="sandbox"\n', False),
        ('resource="x"\n', False),
    ],
)
def test_an_env_file_that_could_switch_getbinpkg(tmp_path: Path, text: str, concerned: bool) -> None:
    (tmp_path / "env").write_text(text)
    assert relevance.concerns(str(tmp_path / "env")) is concerned


def test_an_env_file_that_cannot_be_read_is_not_taken_for_harmless(tmp_path: Path) -> None:
    assert relevance.concerns(str(tmp_path / "none")) is None


def test_a_session_is_for_runs_that_build_a_list_and_for_hosts_that_have_a_whitelist(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    assert not relevance.session_needed(run(settings))
    etc = tmp_path / "etc/portage"
    (etc / "env").mkdir(parents=True)
    (etc / "package.env").write_text("a/b on\n")
    (etc / "env/fast").write_text('CFLAGS="-O3"\n')
    assert not relevance.session_needed(run(settings))
    (etc / "env/on").write_text('FEATURES="getbinpkg"\n')
    assert relevance.session_needed(run(settings))
    assert not relevance.session_needed(run(settings, "unmerge"))
    assert not relevance.session_needed(run(settings, getbinpkg=False))


def test_a_session_is_for_an_env_file_that_is_named_and_not_there(tmp_path: Path) -> None:
    (tmp_path / "etc/portage/env").mkdir(parents=True)
    (tmp_path / "etc/portage/package.env").write_text("a/b gone\n")
    settings = Settings(tmp_path)
    assert not relevance.session_needed(run(settings))
    settings._penvdict = {"a/b": {"a/b": ("gone",)}}
    assert relevance.session_needed(run(settings))


@pytest.mark.parametrize("layer", ["env", "conf", "defaults"])
def test_a_session_is_for_a_choice_of_binhosts_for_all(tmp_path: Path, layer: str) -> None:
    assert relevance.session_needed(run(Settings(tmp_path, **{layer: {"GETBINPKG_FROM": "lab"}})))


def test_waiting_is_for_a_host_where_something_sets_it(tmp_path: Path) -> None:
    assert relevance.waits_for_binaries(run(Settings(tmp_path, conf={"BINPKG_ONLY": "wait"})))
    settings = Settings(tmp_path)
    etc = tmp_path / "etc/portage"
    (etc / "env").mkdir(parents=True)
    (etc / "package.env").write_text("a/b on\n")
    (etc / "env/on").write_text('FEATURES="getbinpkg"\n')
    assert not relevance.waits_for_binaries(run(settings))
    for text in ('BINPKG_ONLY="wait"\n', "source other\n"):
        (etc / "env/more").write_text(text)
        assert relevance.waits_for_binaries(run(settings))
    assert not relevance.waits_for_binaries(run(settings, "depclean"))


def test_binaries_are_possible_where_an_option_a_feature_or_an_unfinished_list_can_bring_one(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    assert not relevance.binaries_possible(run(settings))
    for option in ("usepkg", "usepkgonly", "getbinpkg", "getbinpkgonly", "resume"):
        assert relevance.binaries_possible(run(settings, **{option: True}))
    assert relevance.binaries_possible(run(Settings(tmp_path, "getbinpkg")))
    assert not relevance.binaries_possible(run(Settings(tmp_path, "getbinpkg"), "unmerge"))


def test_a_run_that_builds_packages_reads_and_writes_the_index_of_pkgdir(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    assert not relevance.index_possible(run(settings))
    for option in ("usepkg", "buildpkg", "buildpkgonly"):
        assert relevance.index_possible(run(settings, **{option: True}))
    assert relevance.index_possible(run(Settings(tmp_path, "buildpkg")))
    assert not relevance.index_possible(run(Settings(tmp_path, "buildpkg"), "unmerge"))


def test_what_removes_packages_and_what_believes_pinned_keys(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    removing = {action for action in (None, "depclean", "sync", "unmerge") if relevance.removes_packages(run(settings, action))}
    assert removing == {"depclean", "unmerge"}
    assert not relevance.keys_pinned(run(settings))
    (tmp_path / relevance.TRUST).mkdir(parents=True)
    assert relevance.keys_pinned(run(settings))
    assert not relevance.keys_pinned(run(settings, "sync"))


def test_work_afterwards_is_for_a_configured_host_and_for_marks_that_are_left(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    assert not relevance.works_afterwards(run(settings))
    (tmp_path / relevance.MARKS).mkdir(parents=True)
    assert relevance.works_afterwards(run(settings))
    assert not relevance.is_configured(settings)
    (tmp_path / relevance.CONFIGURATION).parent.mkdir(parents=True)
    (tmp_path / relevance.CONFIGURATION).write_text("")
    assert relevance.is_configured(settings)


def test_packages_are_fetched_verified_where_keys_are_pinned_and_a_binary_is_possible(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "getbinpkg")
    assert not relevance.fetches_verified(run(settings))
    (tmp_path / relevance.TRUST).mkdir(parents=True)
    assert relevance.fetches_verified(run(settings))
    assert not relevance.fetches_verified(run(settings, "depclean"))
    assert not relevance.fetches_verified(run(Settings(tmp_path)))

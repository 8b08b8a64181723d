"""The table of gates: ours by name and in their order, and those that another package brings."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from portage_ext.config.publishing import ChannelRules
from portage_ext.config.settings import Settings, load
from portage_ext.errors import SettingsError, UsageError
from portage_ext.errors.releases import Finding
from portage_ext.releases import gates
from portage_ext.releases.gates import GATES, Candidate, Context, Install, Masked, Missing, Unsatisfied
from portage_ext.tasks.releasing.gates import check_configured, gates_of
from portage_ext.tasks.site import Site


class Portage:
    """Answers nothing: what gates ask when they judge is for tests/system/publish."""

    def unsatisfied(self, provided: Any) -> Unsatisfied:
        return lambda entries: ()

    def missing_licences(self, accepted: Any) -> Missing:
        return lambda entry: None

    def advisories(self) -> Any:
        return ()

    def install(self) -> Install:
        return lambda directory, index, entries: ()

    def masked(self) -> Masked:
        return lambda entry: False


class Foreign:
    """A gate as another package would bring it."""

    name = "virus"

    def check(self, candidate: Candidate) -> Iterable[Finding]:
        return ()


def context(*, public: bool = True) -> Context:
    return Context(ChannelRules(), lambda manifests, names: [], Portage(), public)


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which groups were asked for; another package brings the gate ``virus``."""
    asked: list[str] = []
    point = EntryPoint("virus", f"{__name__}:made", gates.ENTRY_POINTS)
    # No package is installed for it: what importlib makes of an entry point's text is not ours.
    monkeypatch.setattr(EntryPoint, "load", lambda self: lambda context: Foreign())

    def entry_points(**select: Any) -> EntryPoints:
        asked.append(select["group"])
        return EntryPoints((point,)).select(**select)

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    return asked


def test_each_gate_is_a_module_and_a_row(brought: list[str]) -> None:
    modules = {path.stem for path in Path(gates.__file__).parent.glob("*.py")} - {"__init__"}
    assert modules == set(GATES)
    assert [one.name for one in gates.made(list(reversed(GATES)), context())] == list(GATES)
    assert brought == [], "entry points were looked up for gates of the table"


def test_licences_are_judged_where_everybody_reads() -> None:
    assert [one.name for one in gates.made(["licences", "index"], context(public=False))] == ["index"]


def test_a_gate_of_another_package(brought: list[str]) -> None:
    assert [one.name for one in gates.made(["virus", "index"], context())] == ["index", "virus"]
    assert gates.unknown(["virus", "index", "nothing"]) == ["nothing"]
    assert set(brought) == {"portage_ext.gates"}


@pytest.mark.parametrize("table", ["publish", "publish.channel.staging"])
def test_a_gate_that_does_not_exist_is_named_with_file_and_table(tmp_path: Path, table: str) -> None:
    file = tmp_path / "etc/portage/portage-ext.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'[{table}]\ngates = ["index", "indexx"]\n')
    with pytest.raises(SettingsError) as refused:
        check_configured(Site(tmp_path, tmp_path, load(tmp_path)))
    assert str(file) in str(refused.value)
    assert f"{table}.gates: there is no gate indexx; there are index, " in str(refused.value)


def test_a_gate_of_one_run_that_does_not_exist_is_a_mistake_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no gate nothing; there are index, "):
        gates_of(Site(tmp_path, tmp_path, Settings()), "staging", ["nothing"], lambda manifests, names: [])

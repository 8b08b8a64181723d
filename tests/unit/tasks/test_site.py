"""One system, read once: what a Site makes, and that commands do not read portage-ext.toml a second time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from portage_ext.cli import main
from portage_ext.config import settings
from portage_ext.config.table import Table
from portage_ext.errors import RequestError, SettingsError, UsageError
from portage_ext.tasks.site import Site

TEXT = """
[publish]
tree = "{root}/tree"
into = "staging"
[repository.other]
tree = "{root}/other"
[binrepo.lab]
mirrors = ["https://mirror.example/lab"]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    file = tmp_path / "etc/portage/portage-ext.toml"
    file.parent.mkdir(parents=True)
    file.write_text(TEXT.format(root=tmp_path))
    return tmp_path


def test_trees_are_those_of_the_configuration_unless_a_place_is_named(root: Path, tmp_path: Path) -> None:
    site = Site.read(root)
    assert site.eroot == root
    assert site.channel() == "staging"
    assert site.tree().root == root / "tree"
    assert site.tree("other").root == root / "other"
    assert site.tree("nothing", tmp_path / "place").root == tmp_path / "place"
    with pytest.raises(RequestError, match=r"repository.nothing"):
        site.tree("nothing")


def test_a_binrepo_has_the_settings_of_its_section_and_lets_go_of_its_transports(root: Path) -> None:
    warned: list[str] = []
    with Site.read(root, root / "eroot").binrepo("lab", "https://example.org/lab", warn=warned.append) as lab:
        assert lab.bases == ("https://example.org/lab", "https://mirror.example/lab")
        assert lab.state.eroot == root / "eroot"
        lab.warn("a mirror")
        transport: Any = lab.transports.transport("https://example.org/lab")
        closed: list[bool] = []
        transport.close = lambda: closed.append(True)
    assert closed == [True]
    assert warned == ["a mirror"]
    with pytest.raises(UsageError, match="cannot be the name of a binrepo"), Site.read(root).binrepo("../lab", "https://x"):
        pass


def test_a_mistake_in_publish_keeps_no_client_from_fetching(root: Path) -> None:
    file = root / "etc/portage/portage-ext.toml"
    file.write_text(file.read_text() + "[mirror.eu]\n")
    with pytest.raises(SettingsError):
        Site.read(root)
    assert Site.read(root, client_only=True).settings.binrepo("lab").mirrors


@pytest.mark.parametrize(
    "words", [["releases"], ["prune"], ["prune", "--repository", "other"], ["trust", "remove", "lab"]], ids=" ".join
)
def test_a_command_reads_the_configuration_once(root: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    whole = settings.whole

    def counted(config_root: Path) -> Table | None:
        read.append(config_root)
        return whole(config_root)

    # A mock that passes everything on, and counts.
    monkeypatch.setattr(settings, "whole", counted)
    monkeypatch.setenv("PORTAGE_CONFIGROOT", str(root))
    monkeypatch.setenv("EROOT", str(root))
    main.main(words)
    assert read == [root]

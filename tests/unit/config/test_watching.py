"""[watch] and the variable that overrides it for one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.config.watching import Watching, configured
from portage_ext.errors import SettingsError


def root(path: Path, text: str) -> Path:
    file = path / "etc/portage/portage-ext.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return path


def test_nothing_is_drawn_unless_asked_for(tmp_path: Path) -> None:
    assert configured(tmp_path, {}) == Watching(graph=False, publish=True)
    assert configured(root(tmp_path, "[watch]\ngraph = true\n"), {}) == Watching(graph=True)
    assert configured(tmp_path, {"PORTAGE_EXT_GRAPH": "0"}) == Watching(graph=False)


def test_the_variable_is_for_one_run(tmp_path: Path) -> None:
    here = root(tmp_path, "[watch]\npublish = false\n")
    assert configured(here, {"PORTAGE_EXT_GRAPH": "1"}) == Watching(graph=True, publish=False)
    with pytest.raises(SettingsError, match="PORTAGE_EXT_GRAPH"):
        configured(here, {"PORTAGE_EXT_GRAPH": "yes"})


@pytest.mark.parametrize("text", ["[watch]\ngraph = 1\n", "[watch]\ngraf = true\n", "watch = 3\n"])
def test_what_is_not_understood_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError):
        configured(root(tmp_path, text), {})

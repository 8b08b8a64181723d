"""docs/configuration.md has every key that a reader of portage-ext.toml takes, no other, and the defaults that it says."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portage_ext.config import settings, toolchain
from portage_ext.config.table import Table

PAGE = (Path(__file__).parents[3] / "docs/configuration.md").read_text()
TEXT = PAGE.partition("```toml\n")[2].partition("```")[0]
WITHOUT_DEFAULT = "without it"


def keys(table: dict[str, Any], above: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in table.items():
        found |= keys(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}"}
    return found


def read(root: Path) -> tuple[object, ...]:
    return settings.load(root), toolchain.configured_mode(root)


def written(root: Path, text: str) -> Path:
    file = root / "etc/portage/portage-ext.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return root


def test_every_key_that_is_read_is_on_the_page_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = set[str]()

    def recording(kind: str) -> Callable[..., Any]:
        original = getattr(Table, kind)

        def take(table: Table, key: str, *more: Any) -> Any:
            asked.add(f"{table.name}.{key}".lstrip("."))
            return original(table, key, *more)

        return take

    # A mock that passes everything on: readers say by their questions what they know.
    for kind in ("text", "texts", "number", "flag"):
        monkeypatch.setattr(Table, kind, recording(kind))
    read(written(tmp_path, TEXT))
    assert asked == keys(tomllib.loads(TEXT))


def test_what_the_page_calls_the_default_is_the_default(tmp_path: Path) -> None:
    lines = [line for line in TEXT.splitlines() if WITHOUT_DEFAULT not in line and "# needed" not in line]
    text = "\n".join(lines).partition("[publish.channel.staging]")
    rest = text[2][text[2].index("[binhost]") :]
    said = read(written(tmp_path / "said", text[0] + rest))
    (tmp_path / "none/etc/portage").mkdir(parents=True)
    default = read(tmp_path / "none")
    one = said[0]
    assert isinstance(one, settings.Settings)
    assert one.binrepo("lab") == settings.BinrepoSettings()
    for name in ("fetch", "sign", "release"):
        assert getattr(one, name) == getattr(default[0], name)
    assert said[1:] == default[1:]

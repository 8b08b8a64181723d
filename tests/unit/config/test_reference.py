"""docs/configuration.md has every key that a reader of portage-ext.toml takes, no other, with its default and its bounds."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from portage_ext.config import settings, toolchain
from portage_ext.config.table import Table

PAGE = (Path(__file__).parents[3] / "docs/configuration.md").read_text()
TEXT = PAGE.partition("```toml\n")[2].partition("```")[0]
WITHOUT_DEFAULT = "without it"
NEEDED = "# needed"


class Question(NamedTuple):
    """What a reader asked of a table: the type of the key, and what else it said (the default, the bounds)."""

    kind: str
    more: tuple[Any, ...]


def keys(table: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        found |= keys(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def lines() -> dict[str, str]:
    """The line of each key, by the names of its table and itself."""
    found, table = {}, ""
    for line in TEXT.splitlines():
        if header := re.match(r"\[(.*?)\]", line):
            table = f"{header[1]}."
        elif key := re.match(r"([a-z-]+) =", line):
            found[table + key[1]] = line
    return found


def read(root: Path) -> tuple[settings.Settings, toolchain.Mode]:
    return settings.load(root), toolchain.configured_mode(root)


def written(root: Path, text: str) -> Path:
    file = root / "etc/portage/portage-ext.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return root


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Question]:
    """Every key that the readers ask for when they read the page."""
    found: dict[str, Question] = {}

    def recording(kind: str) -> Callable[..., Any]:
        original = getattr(Table, kind)

        def take(table: Table, key: str, *more: Any) -> Any:
            found[f"{table.name}.{key}".lstrip(".")] = Question(kind, more)
            return original(table, key, *more)

        return take

    # A mock that passes everything on: readers say by their questions what they know.
    for kind in ("text", "texts", "number", "flag"):
        monkeypatch.setattr(Table, kind, recording(kind))
    read(written(tmp_path, TEXT))
    return found


def test_every_key_that_is_read_is_on_the_page_and_no_other(asked: dict[str, Question]) -> None:
    assert asked.keys() == keys(tomllib.loads(TEXT)).keys() == lines().keys()


def test_bounds_and_defaults_are_those_of_the_reader(asked: dict[str, Question]) -> None:
    values, said = keys(tomllib.loads(TEXT)), lines()
    for name, (kind, more) in asked.items():
        if kind == "number":
            assert f", {more[1]} to {more[2]}" in said[name], name
        default = more[0] if more else () if kind == "texts" else None
        inherits = name.startswith("publish.channel.")
        has_none = WITHOUT_DEFAULT in said[name] or NEEDED in said[name]
        if default is not None and not inherits and not has_none:
            value = values[name]
            assert (tuple(value) if kind == "texts" else value) == default, name


def test_what_the_page_calls_the_default_is_the_default(tmp_path: Path) -> None:
    kept = [line for line in TEXT.splitlines() if WITHOUT_DEFAULT not in line and NEEDED not in line]
    text = "\n".join(kept).partition("[publish.channel.staging]")
    rest = text[2][text[2].index("[binhost]") :]
    said = read(written(tmp_path / "said", text[0] + rest))
    (tmp_path / "none/etc/portage").mkdir(parents=True)
    default = read(tmp_path / "none")
    assert said[0].binrepo("lab") == settings.BinrepoSettings()
    for name in ("fetch", "sign", "release", "publishing", "unattended"):
        assert getattr(said[0], name) == getattr(default[0], name)
    assert said[0].portage_home == settings.Settings().portage_home
    assert said[1] == default[1]


def test_a_key_with_another_name_is_an_error_in_every_table(tmp_path: Path) -> None:
    for number, line in enumerate(lines().values()):
        wrong = TEXT.replace(f"\n{line}\n", f"\n{line}\nx-{line}\n", 1)
        with pytest.raises(settings.SettingsError, match=r"has no key x-|no table or key x-"):
            settings.load(written(tmp_path / str(number), wrong))

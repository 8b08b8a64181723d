"""What nvchecker prints is read line by line; its configuration names packages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portage_ext.errors import SettingsError
from portage_ext.repositories.bump import checker


def lines(*events: object) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


def test_versions_and_failures() -> None:
    said = checker.read(
        lines(
            {"name": "a/new", "event": "updated", "version": "1.2", "level": "info"},
            {"name": "a/same", "event": "up-to-date", "version": "1", "level": "info"},
            {"name": "a/bad", "event": "command exited with error", "error": "no\x1b[31mway", "level": "error"},
            {"name": "a/bad", "event": "no-result", "error": "GetVersionError", "level": "error"},
            {"name": "a/bare", "event": "no-result", "level": "error"},
            {"name": "../etc", "event": "updated", "version": "1", "level": "info"},
            {"name": "a/odd", "event": "updated", "version": 3, "level": "info"},
            ["a/list"],
        )
        + b"no JSON\n\xff\n"
    )
    assert said.found == {"a/new": "1.2", "a/same": "1"}
    assert said.failed.keys() == {"a/bad", "a/bare"}
    assert said.failed["a/bad"].startswith("command exited with error (no")
    assert said.failed["a/bad"].isprintable()


def test_a_configuration_names_packages(tmp_path: Path) -> None:
    path = tmp_path / "nvchecker.toml"
    assert checker.packages(path) == []
    path.write_text('[__config__]\nkeyfile = "x"\n["app-misc/keyd"]\nsource = "github"\n')
    assert checker.packages(path) == ["app-misc/keyd"]
    for text, why in (("[keyd]\n", r'\["app-misc/keyd"\]'), ("[", "no TOML"), ('["app-misc/keyd-1"]\n', "not called after")):
        path.write_text(text)
        with pytest.raises(SettingsError, match=why):
            checker.packages(path)

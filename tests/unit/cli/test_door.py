"""A client is answered without the whole of portage-ext.toml; a mistake that keeps its request from being planned is told."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from portage_ext.asking import protocol
from portage_ext.asking.protocol import Wanted
from portage_ext.cli import main
from portage_ext.targets.store import Store

NOTE = Wanted("app-misc/note-1", "0/0", "tiny", {})


def test_a_mistake_elsewhere_in_the_file_is_told_to_who_asks_for_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc/portage").mkdir(parents=True)
    (tmp_path / "etc/portage/portage-ext.toml").write_text('[client.laptop]\ntargets = ["laptop"]\n[build]\njobz = 2\n')
    targets = Store(tmp_path).directory
    targets.mkdir(parents=True)
    (targets / "laptop").symlink_to("laptop.d/1")
    monkeypatch.setenv("PORTAGE_CONFIGROOT", str(tmp_path))
    monkeypatch.setenv("EROOT", str(tmp_path))
    asked = {"id": 2, "do": "request", "target": "laptop", "packages": [protocol.plain(NOTE)], "hurry": "ask"}
    said = io.BytesIO()
    incoming = io.BytesIO(protocol.emit({"id": 1, "do": "hello"}) + protocol.emit(asked))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=incoming))
    monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=said))
    assert main.main(["door", "--client", "laptop"]) == 0
    hello, answer = (json.loads(line) for line in said.getvalue().splitlines())
    checked: dict[str, Any] = hello["ok"]
    assert checked["targets"] == ["laptop"]
    assert answer["refused"] == "trouble"
    assert "[build] has no key jobz" in answer["why"]

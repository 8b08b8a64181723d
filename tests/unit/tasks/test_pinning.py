"""Pins, as far as they need no keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext import limits, locks
from portage_ext.cli import main as entry
from portage_ext.tasks import pinning
from portage_ext.tasks.site import Site
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.machine import Seen
from portage_ext.trust.memory import Memory, StateDirectory

A = "A" * 40
SEEN = Seen("repo", "production", 7, 1, "d" * 128, A, frozenset({A}), frozenset({A}))


@pytest.mark.parametrize("damaged", [False, True])
def test_what_is_forgotten_does_not_stay_as_portages_copy_of_the_index(tmp_path: Path, damaged: bool) -> None:
    state = StateDirectory(tmp_path, "lab")
    state.save(Memory(SEEN, 9, 1_900_000_000, "e" * 128))
    if damaged:
        state.memory_file.write_text("damaged")
    # Stamped later than all that the binhost will publish for some time, as who had its key may have done.
    copy = tmp_path / "var/cache/edb/binhost/packages.example/production/Packages"
    copy.parent.mkdir(parents=True)
    copy.write_text("TIMESTAMP: 1900000000\n\n")
    pinning.forget(Site.read(tmp_path), "lab")
    assert not copy.exists()
    assert state.load().timestamp == 0


def test_root_keys_that_were_taken_out_count_again_once_a_binrepo_is_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = TrustDirectory(tmp_path)
    trust.write_removed("lab", frozenset({A}))
    places = ["--config-root", str(tmp_path), "--root", str(tmp_path)]
    assert entry.main(["trust", *places, "list", "lab"]) == 0
    assert f"removed  {A}" in capsys.readouterr().out
    assert entry.main(["trust", *places, "forget", "lab"]) == 0
    assert A in capsys.readouterr().out
    assert trust.removed_roots("lab") == frozenset()


@pytest.mark.parametrize(
    "words", [["add", "lab", "--fingerprint", "A" * 40, "--from", "KEY"], ["remove", "lab"], ["forget", "lab"]]
)
def test_keys_are_not_changed_beside_an_emerge_that_uses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    state = StateDirectory(tmp_path, "lab")
    state.make_directory()
    (tmp_path / "key").write_text("no key")
    monkeypatch.setattr(limits, "FETCH_LOCK", 0.1)
    arguments = [str(tmp_path / "key") if word == "KEY" else word for word in words]
    with locks.held(state.directory / "lab.lock", 1):
        assert entry.main(["trust", "--config-root", str(tmp_path), "--root", str(tmp_path), *arguments]) == 1
    assert "has held this lock" in capsys.readouterr().err

"""Targets on disk: whole or as before, private, and read back alike; make.conf is read back by Portage's own reader."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext import files
from portage_ext.errors import UsageError
from portage_ext.errors.builds import CaptureError, TargetError
from portage_ext.targets import store
from portage_ext.targets.store import Store
from tests.unit.targets.examples import target


def test_a_target_is_kept_with_the_one_before(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    assert kept.names() == []
    for taken in (1, 2, 3):
        kept.save("laptop", target(taken=taken))
    assert kept.names() == ["laptop"]
    assert kept.load("laptop") == target(taken=3)
    assert kept.before("laptop") == target(taken=2)
    assert sorted(os.listdir(kept.directory / "laptop.d")) == ["2", "3"]
    assert (kept.directory / "laptop/etc/portage/package.use/foo").read_text() == "app-misc/foo bar\n"
    assert stat.S_IMODE(kept.directory.stat().st_mode) == 0o700
    kept.forget("laptop")
    assert os.listdir(kept.directory) == []


def test_a_target_stays_pinned_until_it_is_unpinned_or_forgotten(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    kept.save("laptop", target(taken=1))
    assert not kept.is_pinned("laptop")
    kept.pin("laptop")
    kept.save("laptop", target(taken=2))
    assert kept.is_pinned("laptop")
    assert kept.before("laptop") == target(taken=1)
    for _ in range(2):
        kept.pin("laptop", pinned=False)
        assert not kept.is_pinned("laptop")
    kept.pin("laptop")
    kept.forget("laptop")
    kept.save("laptop", target())
    assert not kept.is_pinned("laptop")


def test_once_captured_there_is_none_before(tmp_path: Path) -> None:
    Store(tmp_path).save("laptop", target())
    assert Store(tmp_path).before("laptop") is None


def test_unknown_targets_are_named_with_the_known(tmp_path: Path) -> None:
    Store(tmp_path).save("laptop", target())
    for ask in (Store(tmp_path).load, Store(tmp_path).forget, Store(tmp_path).pin):
        with pytest.raises(TargetError, match=r"known: laptop\); make it with `portage-ext target capture desktop`"):
            ask("desktop")


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a.d", "a b", "x" * 65])
def test_names_that_are_no_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a target"):
        Store(tmp_path).load(name)


def test_a_failed_save_leaves_the_target_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Store(tmp_path)
    kept.save("laptop", target(taken=1))

    def full(path: Path, link: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files, "replace_link", full)
        with pytest.raises(OSError, match="No space"):
            kept.save("laptop", target(taken=2))
    assert kept.load("laptop") == target(taken=1)
    kept.save("laptop", target(taken=3))
    assert (kept.load("laptop"), kept.before("laptop")) == (target(taken=3), target(taken=1))


VALUES = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40)


@given(VALUES)
def test_portage_reads_make_conf_back_alike(value: str) -> None:
    util = pytest.importorskip("portage.util")
    try:
        text = store.laid_out(target(make_conf={"CFLAGS": value}))["etc/portage/make.conf"]
    except CaptureError:
        assert "\\" in value or ("'" in value and "$" in value)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        assert util.getconfig(file.name)["CFLAGS"] == " ".join(value.split())

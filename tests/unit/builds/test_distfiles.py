"""Distfiles are believed by their digest alone, wherever they come from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from portage_ext.builds.distfiles import Distfiles
from portage_ext.errors.builds import RefusedResultError

GOOD = hashlib.blake2b(b"good").hexdigest()
CPV = "app-misc/thing-1"


def fetched(work: Path, name: str, data: bytes) -> Path:
    directory = work / "fetched"
    directory.mkdir(exist_ok=True)
    (directory / name).write_bytes(data)
    return directory


def test_what_was_fetched_is_there_for_every_target(tmp_path: Path) -> None:
    store, into = Distfiles(tmp_path / "store"), tmp_path / "into"
    into.mkdir()
    assert store.lay_out(CPV, {"a.tar": GOOD}, into) == ["a.tar"]
    store.take(CPV, {"a.tar": GOOD}, fetched(tmp_path, "a.tar", b"good"))
    assert store.lay_out(CPV, {"a.tar": GOOD}, into) == []
    assert (into / "a.tar").read_bytes() == b"good"


def test_what_is_damaged_in_the_store_is_missing(tmp_path: Path) -> None:
    store = Distfiles(tmp_path / "store")
    store.take(CPV, {"a.tar": GOOD}, fetched(tmp_path, "a.tar", b"good"))
    (tmp_path / "store" / GOOD[:64] / "a.tar").write_bytes(b"else")
    assert store.lay_out(CPV, {"a.tar": GOOD}, tmp_path) == ["a.tar"]


def test_other_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedResultError, match=r"a\.tar has the BLAKE2B"):
        Distfiles(tmp_path / "store").take(CPV, {"a.tar": GOOD}, fetched(tmp_path, "a.tar", b"evil"))


def test_links_and_absent_files_are_refused(tmp_path: Path) -> None:
    directory = fetched(tmp_path, "b", b"good")
    (directory / "a.tar").symlink_to("b")
    for name in ("a.tar", "absent"):
        with pytest.raises(RefusedResultError, match="was not fetched"):
            Distfiles(tmp_path / "store").take(CPV, {name: GOOD}, directory)


@pytest.mark.parametrize(
    ("name", "digest"), [("../a", GOOD), ("a/b", GOOD), ("-a", GOOD), ("", GOOD), ("a", "0" * 64), ("a", "size 3")]
)
def test_names_and_digests_that_are_none(tmp_path: Path, name: str, digest: str) -> None:
    with pytest.raises(RefusedResultError):
        Distfiles(tmp_path / "store").lay_out(CPV, {name: digest}, tmp_path)

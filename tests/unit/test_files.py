"""Files and directories that exist for a moment."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

import pytest

from portage_ext import files


def test_a_temporary_directory_is_gone_after_its_block() -> None:
    with files.temporary() as name:
        Path(name, "file").touch()
    assert not os.path.lexists(name)


def test_a_temporary_directory_in_which_somebody_still_writes_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))

    with monkeypatch.context() as patch, files.temporary() as name:
        patch.setattr(os, "rmdir", refused)
    assert os.path.isdir(name)
    os.rmdir(name)


def test_a_flush_may_begin_before_its_time_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.write(b"some")
        file.flush()
        files.begin_flush(file.fileno())
        files.begin_flush(-1)
        monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
        files.begin_flush(file.fileno())
        file.write(b" more")
    assert (tmp_path / "file").read_bytes() == b"some more"

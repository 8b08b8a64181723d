"""Files and directories that exist for a moment."""

from __future__ import annotations

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

"""The work after emerge gets the former forms of the index as open files, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from portage_ext.emerge import after


def test_the_forms_that_portage_replaces_are_opened(tmp_path: Path) -> None:
    for name in ("Packages", "Packages.gz", "Packages.zst"):
        (tmp_path / name).write_text(name)
    opened = list(after._opened(str(tmp_path)))
    try:
        assert [os.read(one, 100) for one in opened] == [b"Packages", b"Packages.gz"]
        assert not any(map(os.get_inheritable, opened))
    finally:
        for one in opened:
            os.close(one)


def test_no_link_is_followed_and_nothing_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of root")
    (tmp_path / "Packages").symlink_to(tmp_path / "secret")
    assert list(after._opened(str(tmp_path))) == []
    os.mkfifo(tmp_path / "Packages.gz")
    for one in after._opened(str(tmp_path)):
        os.close(one)

"""What everybody may read of an update has no path of this host and no secret, and a damaged file is no update."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.limits import views as limits
from portage_ext.unattended import updated
from portage_ext.unattended.updated import Failure, Updated, public

WHOLE = Updated(
    7, ("app-misc/a-1",), (Failure("app-misc/b-1", "it failed", ("make: *** [all] Error 1",)),), (("app-misc/c-1", "why"),)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("app-misc/a-1:0/2::gentoo", "app-misc/a-1:0/2::gentoo"),
        ("/var/tmp/portage/app-misc/a-1/work/a/main.c:3: error", "…/main.c:3: error"),
        ("cd /srv/larry/src && make", "cd …/src && make"),
        ("in /dev/shm/build/x of /dev/null", "in …/x of /dev/null"),
        ("see ~/notes/x and '/var/lib/ours/id'", "see …/x and '…/id'"),
        ("/usr/include/stdio.h: /usr/bin/gcc", "/usr/include/stdio.h: /usr/bin/gcc"),
        ("-I/opt/own/include -L/usr/lib64", "-I…/include -L/usr/lib64"),
        ("git clone https://larry:abc@git.example/x", "git clone https://…@git.example/x"),
        ("API_TOKEN=abc password: 'x y' done", "API_TOKEN=… password: … done"),
        ("Authorization: Bearer abc.def", "Authorization: …"),
        ("a\x1b[31mb\nc", "a\\x1b[31mb c"),
    ],
)
def test_no_path_of_this_host_and_no_secret_is_public(text: str, told: str) -> None:
    assert public(text) == told


def test_what_is_saved_is_public_and_read_again(tmp_path: Path) -> None:
    assert updated.read(tmp_path) is None
    updated.save(tmp_path, WHOLE)
    assert updated.read(tmp_path) == WHOLE
    updated.save(tmp_path, Updated(7, failed=(Failure("emerge", "no space in /srv/private", ("/srv/private/x: full",)),)))
    assert "/srv/private" not in (tmp_path / updated.FILE).read_text()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"begun": 1}', '{"begun": 1, "came": [], "failed": [1], "held": []}', "[" * 10_000]
)
def test_a_damaged_file_is_no_update(tmp_path: Path, text: str) -> None:
    updated.save(tmp_path, WHOLE)
    (tmp_path / updated.FILE).write_text(text)
    assert updated.read(tmp_path) is None


def test_a_file_beyond_its_bound_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    updated.save(tmp_path, WHOLE)
    monkeypatch.setattr(limits, "PAGES_UPDATE", 10)
    assert updated.read(tmp_path) is None

"""The log of runs: what is written is read, at once from everywhere, cut lines included, and it never grows without end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.unattended import log
from portage_ext.unattended.log import Run
from tests.testkit.environments import CHECKOUT

PUBLISHED = Run(1_800_000_000, "after-emerge", True, "3 packages signed, published as release 41", 41, 0.4)
FAILED = Run(1_800_000_100, "postsync", False, "lab: expired — “since” yesterday")


def test_what_is_written_is_read_oldest_first(tmp_path: Path) -> None:
    assert log.read(tmp_path) == []
    log.append(tmp_path, PUBLISHED)
    log.append(tmp_path, FAILED)
    assert log.read(tmp_path) == [PUBLISHED, FAILED]
    first = json.loads((tmp_path / "var/log/portage-ext/runs.jsonl").read_text().splitlines()[0])
    assert first == {
        "when": 1_800_000_000,
        "what": "after-emerge",
        "ok": True,
        "line": "3 packages signed, published as release 41",
        "release": 41,
        "seconds": 0.4,
    }


@pytest.mark.parametrize("damage", [b'{"when": 1, "what": "after-em', b"\xff\xfe\0", b"[]\n", b'{"when": "soon"}\n', b"null\n"])
def test_a_line_that_cannot_be_read_is_passed_over(tmp_path: Path, damage: bytes) -> None:
    log.append(tmp_path, PUBLISHED)
    with (tmp_path / log.RUNS_FILE).open("ab") as file:
        file.write(damage)
    log.append(tmp_path, FAILED)
    assert log.read(tmp_path) == [PUBLISHED, FAILED]


def test_the_log_stays_within_its_bound_and_keeps_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RUN_LOG_SIZE", 4096)
    for number in range(200):
        log.append(tmp_path, Run(number, "after-emerge", True, "nothing new"))
        assert (tmp_path / log.RUNS_FILE).stat().st_size <= 4096
    kept = log.read(tmp_path)
    assert [run.when for run in kept] == list(range(200 - len(kept), 200))
    assert len(kept) > 10


def test_runs_that_end_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from portage_ext.unattended.log import Run, append\n"
        "for n in range(50): append(Path(sys.argv[1]), Run(n, sys.argv[2], True, 'x' * 500))"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)], cwd=CHECKOUT) for number in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    found = log.read(tmp_path)
    assert sorted((run.what, run.when) for run in found) == sorted((str(w), n) for w in range(4) for n in range(50))


def test_what_logrotate_put_aside_is_still_read(tmp_path: Path) -> None:
    log.append(tmp_path, PUBLISHED)
    aside = tmp_path / f"{log.RUNS_FILE}.1"
    (tmp_path / log.RUNS_FILE).rename(aside)
    assert log.read(tmp_path) == [PUBLISHED]
    log.append(tmp_path, FAILED)
    assert log.read(tmp_path) == [PUBLISHED, FAILED]

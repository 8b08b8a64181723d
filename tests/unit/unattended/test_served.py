"""Bytes that a web server says it has sent: by tree and channel, whatever clients ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.unattended import served

TREES = {"amd64": ("production", "staging"), "v3": ("production",)}
HEAD = '192.0.2.1 - - [26/Nov/2026:10:00:00 +0000] "'


def read(path: Path, *requests: str) -> dict[tuple[str, str], tuple[int, int]]:
    path.write_text("".join(f"{HEAD}{one}\n" for one in requests))
    return {key: (one.requests, one.size) for key, one in served.read(path, TREES).items() if one.requests}


def test_answers_are_added_up_by_tree_and_channel(tmp_path: Path) -> None:
    assert read(
        tmp_path / "log",
        'GET /amd64/production/Packages HTTP/1.1" 200 1000 "-" "Wget"',
        'GET /bin/amd64/production/a/b.gpkg.tar HTTP/2.0" 206 50',
        'HEAD /amd64/staging/Release HTTP/1.1" 200 - "-" "x"',
        'GET /amd64/releases/3/Packages HTTP/1.1" 304 0 "-" "x"',
        'GET /v3/production/Packages HTTP/1.1" 200 7 "-" "x"',
        'GET /elsewhere HTTP/1.1" 200 99 "-" "x"',
        'GET /amd64 HTTP/1.1" 301 99 "-" "x"',
    ) == {("amd64", "production"): (2, 1050), ("amd64", "staging"): (1, 0), ("amd64", ""): (1, 0), ("v3", "production"): (1, 7)}


STRANGE = (
    "",
    "GET /amd64/production/x",
    "\x00\xff" * 50,
    'POST /amd64/production/x HTTP/1.1" 200 5 "-"',
    f'GET /{"a/" * 5000}amd64/x HTTP/1.1" 200 5 "-"',
    'GET /amd64/production/x HTTP/1.1" 200 99999999999999999999999 "-"',
)


@pytest.mark.parametrize("line", STRANGE)
def test_other_lines_are_passed_over(tmp_path: Path, line: str) -> None:
    assert read(tmp_path / "log", line, 'GET /v3/production/x HTTP/1.1" 200 7 "-" "x"') == {("v3", "production"): (1, 7)}


def test_only_the_end_of_a_large_log_is_read_and_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = 'GET /v3/production/x HTTP/1.1" 200 7 "-" "x"'
    monkeypatch.setattr(limits, "ACCESS_LOG_SIZE", int(2.5 * len(f"{HEAD}{one}\n")))
    assert read(tmp_path / "log", *[one] * 10) == {("v3", "production"): (2, 14)}

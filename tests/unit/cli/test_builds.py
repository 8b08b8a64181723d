"""The list of what is to be built, and the ledger, as a person reads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.builds.ledger.entries import Entry
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.builds.workshop import Plan, Wanted
from portage_ext.cli import build, builds
from portage_ext.cli.screen import Screen
from tests.unit.builds.examples import job

KEY, OTHER = "a" * 64, "b" * 64


def test_the_ledger_says_why_a_job_waits_and_what_publishes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    try:
        ledger.request(KEY, "laptop", job(cpv="dev-libs/libtiny-1.0"))
        ledger.request(OTHER, "laptop", job(), needs=[KEY])
        attempt = ledger.take("r", lambda key, fence: "")
        assert attempt is not None
        ledger.end(attempt, "checked", result="/r")
        assert builds._list(ledger, Screen(), as_json=False) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "checked: is to be published" in said
        assert "queued: needs dev-libs/libtiny-1.0 (checked)" in said
        assert "`portage-ext builds run` publishes them" in said
        assert builds._list(ledger, Screen(), as_json=True) == 0
        assert '"reason": "is to be published"' in capsys.readouterr().out
    finally:
        ledger.close()


def test_a_failed_build_is_not_called_never_built(capsys: pytest.CaptureFixture[str]) -> None:
    failed = Entry(KEY, "laptop", job(), "failed", "killed", "builder", 1, 1, "", "", 0, 0)
    new, known = Wanted(job(), KEY, (), failed), Wanted(job(), OTHER, (), None, 60.0)
    build.show(Plan((new,)), Screen())
    assert "1 package to build; no build of it has succeeded here yet" in capsys.readouterr().out
    build.show(Plan((new, replace(new))), Screen())
    assert "2 packages to build; no build of them has succeeded here yet" in capsys.readouterr().out
    build.show(Plan((new, known)), Screen())
    assert "by past builds; no build of 1 of them has succeeded here yet" in capsys.readouterr().out

"""The page of the last update escapes what builds have said, and names no more than fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.limits import views as limits
from portage_ext.pages import update
from portage_ext.pages.writing import Writer
from portage_ext.unattended.updated import Failure, Updated
from tests.unit.pages.test_writing import about, folder
from tests.unit.releases.published import site

EVIL = '<script>alert("x")</script>'


def test_what_a_build_says_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAGES_LISTED", 2)
    failed = Failure("app-misc/b-1", EVIL, ("first", f"</code>{EVIL}"))
    told = update.page(
        "lab", Updated(1_800_000_000, ("app-misc/a-1", EVIL, "app-misc/z-1"), (failed,), ((EVIL, EVIL),))
    ).decode()
    assert EVIL not in told
    assert "first\n&lt;/code&gt;&lt;script&gt;" in told
    assert "3 packages built, 1 failed, 1 held back" in told
    assert "… and 1 more." in told
    assert "app-misc/z-1" not in told


def test_a_release_has_the_page_if_there_was_an_update(tmp_path: Path) -> None:
    made = site(tmp_path, pages=Writer(about(updated=Updated(1_800_000_000, ("app-misc/a-1",)))))
    made.pkgdir.add("app-misc/a-1")
    made.publish()
    assert '<a href="update.html">1 package built</a>' in (folder(made) / "index.html").read_text()
    assert "update.html" in (folder(made) / "B2SUMS").read_text()


def test_without_an_update_there_is_no_page_and_no_link(tmp_path: Path) -> None:
    made = site(tmp_path, pages=Writer(about()))
    made.pkgdir.add("app-misc/a-1")
    made.publish()
    assert not (folder(made) / "update.html").exists()
    assert "update.html" not in (folder(made) / "index.html").read_text()

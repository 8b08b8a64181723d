"""What `check` finds in a repository that a sync makes, by its record, its list and its history."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.repositories import health, history
from portage_ext.repositories.history import History
from portage_ext.repositories.record import Item, Kind, Record, Remark
from portage_ext.repositories.tree import Section

NOW = 1_000_000_000
DAY = 86400
FRESH = History(NOW - DAY)
PICK = Section("guru", Path("/var/db/repos/guru"), "pick", {})
PYPI = Section("made", Path("/var/db/repos/made"), "pypi", {})
ITEMS = (Item("app-misc/keyd", listed=True), Item("eclass/outer", listed=False, needed_by=("app-misc/keyd",)))


def found(
    section: Section, *remarks: Remark, known: History = FRESH, listed: tuple[str, ...] = ("app-misc/keyd",)
) -> list[tuple[str, str]]:
    made = Record(section.sync_type, "", ITEMS, remarks)
    return [(one.what, one.remedy) for one in health.findings(section, made, known, listed, NOW)]


def test_a_fresh_repository_without_remarks_is_well() -> None:
    assert not found(PICK)
    assert not found(PICK, Remark(Kind.MISSING, ">=dev-libs/x-1", "nobody has it"), Remark(Kind.LEFT_OUT, "profiles/x", ""))


def test_what_was_never_synced_or_not_for_long_or_failed() -> None:
    (never,) = health.findings(PICK, None, History(), (), NOW)
    assert (never.what, never.remedy) == ("it has never been synced", "emaint sync -r guru")
    assert not found(PICK, known=History(NOW - 30 * DAY))
    assert found(PICK, known=History(NOW - 31 * DAY)) == [("it was last synced 31 days ago", "emaint sync -r guru")]
    assert not found(PICK, known=History())
    failed = History(NOW - 40 * DAY, NOW - 7200, "no route")
    assert found(PICK, known=failed) == [("the last sync, 2 h ago, failed: no route", "emaint sync -r guru")]


@pytest.mark.parametrize(
    ("section", "remark", "what", "remedy"),
    [
        (PYPI, Remark(Kind.HELD, "lib", "new"), "1 new name in what your projects need, waiting for your consent: lib",
         "portage-ext pypi --repository made confirm"),
        (PYPI, Remark(Kind.REFUSED, "lib", "yanked"), "1 name refused, or left at what an earlier sync made: lib",
         "portage-ext pypi --repository made list"),
        (PYPI, Remark(Kind.KEPT, "lib", "stays"), "1 name refused, or left at what an earlier sync made: lib",
         "portage-ext pypi --repository made list"),
        (PICK, Remark(Kind.REFUSED, "app-misc/evil", "shadows"),
         "1 name refused, or left at what an earlier sync made: app-misc/evil", "portage-ext pick list guru"),
        (PICK, Remark(Kind.MISSING, "app-misc/gone", "listed"), "1 listed package moved or not in the overlay: app-misc/gone",
         "portage-ext pick list guru"),
        (PICK, Remark(Kind.MOVED, "app-misc/gone", "moved"), "1 listed package moved or not in the overlay: app-misc/gone",
         "portage-ext pick list guru"),
        (PICK, Remark(Kind.MISSING, "science", "masters"), "the overlay builds on repositories that are not here: science",
         "portage-ext pick list guru"),
    ],
)  # fmt: skip
def test_what_a_person_should_decide(section: Section, remark: Remark, what: str, remedy: str) -> None:
    listed = ("app-misc/keyd", "app-misc/gone") if remark.name == "app-misc/gone" else ("app-misc/keyd",)
    ((told, done),) = found(section, remark, listed=listed)
    assert told == what
    assert done.startswith(remedy)


def test_a_list_that_is_newer_than_the_repository() -> None:
    assert found(PICK, listed=("app-misc/keyd", "app-misc/new")) == [
        ("listed since the last sync: app-misc/new", "emaint sync -r guru")
    ]


def test_history_outlives_a_failure_and_damage(tmp_path: Path) -> None:
    assert history.load(tmp_path, "guru") == History()
    history.succeeded(tmp_path, "guru", NOW)
    history.failed(tmp_path, "guru", "no\x1b[31m route\n")
    known = history.load(tmp_path, "guru")
    assert known.succeeded == NOW
    assert known.failed > NOW
    assert known.why.isprintable()
    (tmp_path / history.PLACE / "guru.json").write_text("[")
    assert history.load(tmp_path, "guru") == History()
    history.succeeded(tmp_path, "guru", NOW)
    assert history.load(tmp_path, "guru") == History(NOW)

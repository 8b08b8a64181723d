"""What policy gives up in a PKGDIR, decided from values."""

from __future__ import annotations

from collections.abc import Sequence

from portage_ext.model import IndexEntry
from portage_ext.pkgdir.cleaning import Policy, Reason, candidates, report

DAY = 86400
NOW = 1_000 * DAY


def package(cpv: str, build: int = 1, days: int = 1, **more: str) -> IndexEntry:
    values = {"CPV": cpv, "BUILD_ID": str(build), "BUILD_TIME": str(NOW - days * DAY), "PATH": f"{cpv}-{build}", "SIZE": "10"}
    return IndexEntry({**values, **more})


def newest(entries: Sequence[IndexEntry]) -> IndexEntry:
    return max(entries, key=lambda one: one.cpv.pvr)


def found(entries: list[IndexEntry], policy: Policy, gone: str = "", held: str = "") -> dict[str, Reason]:
    result = candidates(
        entries, policy, exists=lambda one: str(one.cpv) != gone, newest=newest, now=NOW, held={held} if held else ()
    )
    return {one.entry.get("PATH"): one.reason for one in result}


def test_an_older_build_of_the_same_variant_is_superseded() -> None:
    entries = [package("a/b-1", 1, days=3), package("a/b-1", 2, days=2), package("a/b-1", 3, days=1)]
    assert found(entries, Policy(builds=1)) == {"a/b-1-1": Reason.SUPERSEDED, "a/b-1-2": Reason.SUPERSEDED}
    assert found(entries, Policy(builds=2)) == {"a/b-1-1": Reason.SUPERSEDED}


def test_builds_with_other_use_or_dependencies_are_not_superseded() -> None:
    entries = [package("a/b-1", 1, USE="x"), package("a/b-1", 2, USE="y"), package("a/b-1", 3, USE="y", RDEPEND="c/d:0/2=")]
    assert found(entries, Policy()) == {}


def test_a_version_that_no_repository_has_is_gone_unless_that_is_kept() -> None:
    entries = [package("a/b-1"), package("a/b-2")]
    assert found(entries, Policy(), gone="a/b-1") == {"a/b-1-1": Reason.GONE}
    assert found(entries, Policy(gone=False), gone="a/b-1") == {}


def test_age_never_takes_the_newest_of_a_slot() -> None:
    entries = [package("a/b-1", days=50), package("a/b-2", days=40), package("a/b-3", days=90, SLOT="3")]
    assert found(entries, Policy(age=30 * DAY)) == {"a/b-1-1": Reason.OLD}


def test_what_is_held_stays_whatever_the_reason() -> None:
    entries = [package("a/b-1", 1, days=3), package("a/b-1", 2, days=2)]
    assert found(entries, Policy(), held="a/b-1-1") == {}


def test_the_report_sums_by_reason_and_by_category() -> None:
    entries = [package("a/b-1", 1, days=3), package("a/b-1", 2), package("c/d-1")]
    result = candidates(entries, Policy(), exists=lambda one: one.cpv.category != "c", newest=newest, now=NOW)
    assert set(report(result)) == {("superseded build", 1, 10), ("not in any repository", 1, 10), ("a", 1, 10), ("c", 1, 10)}

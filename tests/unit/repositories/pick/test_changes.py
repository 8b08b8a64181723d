"""What an exchange changes is told by packages and versions, and why something is there by the shortest way to the list."""

from __future__ import annotations

from portage_ext.repositories.pick.assembly import Plan
from portage_ext.repositories.pick.changes import changes
from portage_ext.repositories.pick.telling import chains, count, remarks
from portage_ext.repositories.record import Item, Kind, Record, Remark
from portage_ext.repositories.swap import File

ONE, OTHER = File(b"one"), File(b"other")


def test_packages_by_versions_and_other_files_by_path() -> None:
    before = {
        "a/gone/gone-1.ebuild": ONE, "a/up/up-1.ebuild": ONE, "a/same/same-1.ebuild": ONE, "a/same/files/x": ONE,
        "a/still/still-1.ebuild": ONE, "eclass/old.eclass": ONE, "profiles/package.mask": ONE, "metadata/md5-cache/a/up-1": ONE,
        "metadata/portage-ext.json": ONE,
    }  # fmt: skip
    now = {
        "a/up/up-1.ebuild": ONE, "a/up/up-2.ebuild": ONE, "a/same/same-1.ebuild": ONE, "a/same/files/x": OTHER,
        "a/still/still-1.ebuild": ONE, "a/new/new-3-r1.ebuild": ONE, "profiles/package.mask": OTHER,
        "metadata/md5-cache/a/up-1": OTHER, "metadata/portage-ext.json": OTHER, "profiles/updates/1Q-2024": ONE,
    }  # fmt: skip
    found = changes(Plan(now, before, Record("pick", "")))
    assert list(map(str, found.packages)) == [
        "- a/gone: 1", "+ a/new: 3-r1", "~ a/same: the same versions, with other files", "~ a/up: +2",
    ]  # fmt: skip
    assert found.others == ("eclass/old.eclass", "profiles/package.mask", "profiles/updates/1Q-2024")


def test_the_shortest_way_from_each_listed_package() -> None:
    record = Record(
        "pick",
        "",
        (
            Item("a/listed", True),
            Item("a/other", True, ("a/listed",)),
            Item("a/middle", False, ("a/listed",)),
            Item("a/end", False, ("a/middle", "a/other")),
            Item("eclass/one", False, ("a/end",)),
        ),
    )
    assert chains(record, "eclass/one") == [
        ("a/other", "a/end", "eclass/one"),
        ("a/listed", "a/middle", "a/end", "eclass/one"),
    ]
    assert chains(record, "a/nothing") == []
    assert count(record) == "2 listed packages, 2 needed packages"


def test_a_remark_is_a_line() -> None:
    assert list(remarks([Remark(Kind.LEFT_OUT, "profiles/x", "why")])) == ["left out profiles/x: why"]

"""A host must be about to take exactly what was built for it."""

from __future__ import annotations

from portage_ext.builds.deploy import Step, differing, steps
from portage_ext.builds.ledger.entries import Entry
from tests.unit.builds.examples import job

LIST = """
These are the packages that would be merged, in order:

Calculating dependencies... done!
[ebuild  N     ] dev-libs/libtiny-2::tiny
[binary   R    ] app-misc/thing-1.0-2::tiny  USE="foo"
[blocks B      ] app-misc/other

"""


def entry(place: str) -> Entry:
    return Entry("ab" * 32, "laptop", job(), "published", "", "", 1, 1, "", place, 0, 0)


def test_the_list_of_emerge_is_read() -> None:
    assert steps(LIST) == [Step("dev-libs/libtiny-2", False), Step("app-misc/thing-1.0-2", True)]


def test_the_very_build_is_taken() -> None:
    assert list(differing([entry("/pkgdir/app-misc/thing/thing-1.0-2.gpkg.tar")], steps(LIST))) == []


def test_another_build_or_none_is_named() -> None:
    assert list(differing([entry("/pkgdir/app-misc/thing/thing-1.0-3.gpkg.tar")], steps(LIST))) == [
        "it would take app-misc/thing-1.0-2 in place of the build app-misc/thing-1.0-3"
    ]
    assert list(differing([entry("/pkgdir/app-misc/thing/thing-1.0-3.gpkg.tar")], [])) == [
        "it would take nothing in place of the build app-misc/thing-1.0-3"
    ]

"""After a rollback a channel stays where it is until a person publishes or promotes, and does not expire meanwhile."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from portage_ext.releases.made import Published, Source
from portage_ext.releases.note import Hold
from tests.unit.releases.published import Site, site


@pytest.fixture
def held(tmp_path: Path) -> Site:
    """Two releases, gone back to the first one."""
    made = site(tmp_path)
    for version in (1, 2):
        made.pkgdir.add(f"app-misc/foo-{version}")
        made.publish()
    made.publisher.rollback("production", by="larry")
    return made


def unattended(made: Site) -> Published:
    made.pkgdir.write()
    made.clock.now += 1
    return made.publisher.publish("production", made.source(), unattended=True)


def test_what_runs_by_itself_switches_nothing(held: Site) -> None:
    since = held.clock.now
    held.pkgdir.add("app-misc/foo-3")
    done = unattended(held)
    assert (held.tree.live("production"), done.release) == (3, None)
    assert done.held == held.tree.held("production") == Hold(1, since, "larry")
    assert str(done.held) == "held at release 1 (rolled back 2027-01-15 08:00 UTC by larry)"


def test_the_index_is_brought_up_to_date_all_the_same(held: Site) -> None:
    ready: list[int] = []
    source = Source(held.pkgdir.path, "", hold=lambda: nullcontext(ready.append(1)))
    held.publisher.publish("production", source, unattended=True)
    assert ready == [1]


@pytest.mark.parametrize("way", ["renew", "unattended"])
def test_a_held_channel_is_renewed_with_its_content_and_stays_held(held: Site, way: str) -> None:
    content, hold = held.tree.contents(3), held.tree.held("production")
    held.pkgdir.add("app-misc/foo-3")
    held.clock.now += 86400 * 16
    done = held.publisher.renew("production") if way == "renew" else unattended(held)
    assert done.number == held.tree.live("production") == 4
    assert held.tree.release(4).expires > held.tree.release(3).expires
    assert held.tree.contents(4).same_as(content)
    assert held.tree.held("production") == done.held == hold


def test_publishing_lifts_the_hold_also_where_no_package_differs(held: Site) -> None:
    held.pkgdir.remove("app-misc/foo/foo-2-1.gpkg.tar")
    done = held.publish()
    assert isinstance(done, Published)
    assert (done.number, held.tree.live("production")) == (4, 4)
    assert "the channel is no longer held" in done.beside
    held.pkgdir.add("app-misc/foo-3")
    assert unattended(held).number == held.tree.live("production") == 5


def test_promoting_lifts_the_hold(held: Site) -> None:
    held.publish("staging")
    held.publisher.promote("staging", "production")
    assert held.tree.held("production") is None


def test_other_channels_are_not_held(held: Site) -> None:
    held.pkgdir.write()
    assert held.publisher.publish("staging", held.source(), unattended=True).number == held.tree.live("staging") == 4
    held.publisher.promote("production", "testing")
    assert held.tree.held("testing") is None, "what is held is the channel, not its content"


def test_a_rollback_that_was_killed_before_the_switch_holds_nothing(held: Site) -> None:
    held.tree.switch("production", 2)
    assert held.tree.held("production") is None
    held.pkgdir.add("app-misc/foo-3")
    assert unattended(held).number == held.tree.live("production") == 4
    assert held.tree.numbers() == [1, 2, 4]


def test_going_back_to_what_is_live_holds_it(tmp_path: Path) -> None:
    made = site(tmp_path)
    made.pkgdir.add("app-misc/foo-1")
    made.publish()
    made.publisher.rollback("production", 1, by="larry")
    assert made.tree.held("production") is not None


def test_a_note_of_before_there_were_holds_holds_nothing(held: Site) -> None:
    note = held.tree.directory(3) / ".release.json"
    note.write_text('{"content": 1, "origin": "rolled back to 1", "carried": {}}')
    assert held.tree.held("production") is None

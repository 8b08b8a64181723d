"""No rule brings to production what is untried, too young, rolled back, or held."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.config.updating import Updating
from portage_ext.updates.promotion import Choice, choose
from tests.unit.releases.published import Site, site

ALL = range(100)


@pytest.fixture
def tree(tmp_path: Path) -> Site:
    """Release 1 of staging is 2 of production; 3 and 4 wait in staging, an hour apart."""
    made = site(tmp_path)
    made.pkgdir.add("app-misc/foo-1")
    made.publish("staging")
    made.publisher.promote("staging", "production")
    for version in (2, 3):
        made.pkgdir.add(f"app-misc/foo-{version}")
        made.clock.now += 3600
        made.publish("staging")
    return made


def chosen(made: Site, settings: Updating, passed: object = ALL) -> Choice:
    return choose(made.tree, settings, passed, made.clock.now)  # type: ignore[arg-type]


def test_at_once_the_newest_that_passed(tree: Site) -> None:
    assert chosen(tree, Updating()) == Choice(4)
    assert chosen(tree, Updating(), {3}) == Choice(3, "release 4 has not passed a trial installation")
    assert chosen(tree, Updating(), ()) == Choice(None, "release 4 has not passed a trial installation")
    assert chosen(tree, Updating(trial=0), ()) == Choice(4)


def test_after_hours_the_newest_that_is_old_enough_also_if_newer_ones_came(tree: Site) -> None:
    rule = Updating(promote="after-hours", wait=1800)
    assert chosen(tree, rule).number == 3
    assert chosen(tree, rule).why.startswith("release 4 waits until 2027-01-15")
    tree.clock.now += 1800
    assert chosen(tree, rule) == Choice(4)
    assert chosen(tree, Updating(promote="after-hours", wait=86400)).number is None


def test_a_renewal_does_not_make_a_release_young_again(tree: Site) -> None:
    tree.clock.now += 1800
    tree.publisher.renew("staging", force="for a test")
    assert chosen(tree, Updating(promote="after-hours", wait=1800)) == Choice(5)


def test_by_hand_nothing_and_the_command_is_named(tree: Site) -> None:
    found = chosen(tree, Updating(promote="by-hand"))
    assert found == Choice(None, "release 4 waits until you run portage-ext promote staging production")


def test_what_was_rolled_back_in_staging_goes_no_further(tree: Site) -> None:
    tree.publisher.rollback("staging", by="larry")
    assert chosen(tree, Updating()).number is None
    assert "staging is held at release 3" in chosen(tree, Updating()).why
    # Also when a person has published something in staging again, and so ended the hold.
    tree.pkgdir.add("app-misc/bar-1")
    tree.publish("staging")
    assert chosen(tree, Updating()).number == 6


def test_a_held_production_stays(tree: Site) -> None:
    tree.publisher.promote("staging", "production")
    tree.publisher.rollback("production", by="larry")
    tree.pkgdir.add("app-misc/bar-1")
    tree.publish("staging")
    assert "production is held at release 2" in chosen(tree, Updating()).why


def test_nothing_waits_when_production_has_it(tree: Site) -> None:
    tree.publisher.promote("staging", "production")
    assert chosen(tree, Updating()) == Choice(None)


def test_an_earlier_release_of_a_channel_is_promoted_but_none_of_another_or_newer(tree: Site) -> None:
    from portage_ext.errors.releases import UnknownNumberError

    done = tree.publisher.promote("staging", "production", number=3)
    assert (done.number, tree.tree.note(done.number).content) == (5, 3)
    for number in (2, 5, 9):
        with pytest.raises(UnknownNumberError):
            tree.publisher.promote("staging", "production", number=number)


def test_an_unattended_promotion_leaves_a_held_channel(tree: Site) -> None:
    tree.publisher.promote("staging", "production")
    tree.publisher.rollback("production", by="larry")
    live = tree.tree.live("production")
    done = tree.publisher.promote("staging", "production", unattended=True)
    assert done.held is not None
    assert tree.tree.live("production") == live

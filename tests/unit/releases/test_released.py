"""What somebody who can write to the tree, but cannot sign, puts there is never signed by the next publisher."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from portage_ext import files
from portage_ext.errors.releases import ChangedReleaseError, PublishError, TreeError
from portage_ext.index.forms import FORMS
from portage_ext.model import builder
from portage_ext.records import replace
from portage_ext.releases import in_place
from portage_ext.releases.gates.index import IndexGate
from portage_ext.releases.in_place import ReleaseTerms
from portage_ext.releases.made import First, Terms
from portage_ext.releases.note import BLOCKS_NAME
from portage_ext.releases.pool.released import Released
from portage_ext.releases.publish import Publisher
from tests.unit.releases.published import SIGNATURE, Site, sealed_again, site
from tests.unit.releases.test_first import GLIBC, HOUR, NEW, OLD, libc, needs

EVIL = "0123456789ABCDEF0123456789ABCDEF01234567"


@pytest.fixture
def made(tmp_path: Path) -> Site:
    """Two releases of production, by a publisher that remembers what it signed."""
    made = site(tmp_path)
    made.publisher = remembering(made, tmp_path)
    for name in ("foo", "bar"):
        made.pkgdir.add(f"app-misc/{name}-1")
        made.publish()
    return made


def remembering(made: Site, work: Path, first: First | None = None) -> Publisher:
    terms = Terms(86400 * 30, HOUR, first=first)
    return Publisher(made.tree, lambda data: SIGNATURE, terms, clock=made.clock, released=Released(work / "state/released"))


def tamper(directory: Path) -> None:
    """Change an entry of the index."""
    path = directory / "Packages"
    path.write_bytes(path.read_bytes().replace(b"REPO: tiny", b"REPO: evil", 1))
    (directory / BLOCKS_NAME).unlink()


AGAIN: list[Callable[[Site], object]] = [
    lambda made: made.publisher.renew("production", force="a test"),
    lambda made: made.publisher.promote("production", "stable", (IndexGate(),)),
    lambda made: made.publisher.rollback("production", 2, (IndexGate(),)),
]


def refused(made: Site, act: Callable[[Site], object], match: str) -> None:
    before = made.tree.numbers()
    with pytest.raises(ChangedReleaseError, match=match):
        act(made)
    assert made.tree.numbers() == before


@pytest.mark.parametrize("act", AGAIN, ids=["renewal", "promotion", "rollback"])
def test_a_changed_index_is_not_signed_again(made: Site, act: Callable[[Site], object]) -> None:
    tamper(made.served())
    refused(made, act, "Packages was changed or damaged")
    sealed_again(made.served())
    refused(made, act, "release 2 is not as this host has published it")


@pytest.mark.parametrize("act", AGAIN, ids=["renewal", "promotion", "rollback"])
def test_an_index_changed_in_blocks_is_not_signed_again(made: Site, act: Callable[[Site], object]) -> None:
    """Without the hidden files it is read as a whole."""
    path = made.served() / "Packages"
    path.write_bytes(path.read_bytes().replace(b"PACKAGES: 2", b"PACKAGES: 2\nX: 1", 1))
    refused(made, act, "Packages was changed or damaged")


@pytest.mark.parametrize("act", AGAIN, ids=["renewal", "promotion", "rollback"])
def test_a_changed_document_is_not_signed_again(made: Site, act: Callable[[Site], object]) -> None:
    (made.served() / builder.NAME).write_bytes(b"{}")
    refused(made, act, "builder.json was changed or damaged")
    (made.served() / builder.NAME).unlink()
    (made.served() / "config.json").write_bytes(b"{}")
    refused(made, act, "config.json was changed or damaged")


def test_the_keys_that_are_announced_come_from_no_changed_release(made: Site) -> None:
    sealed_again(made.served(), keys_next=(EVIL,))
    made.pkgdir.add("app-misc/new-1")
    refused(made, Site.publish, "release 2 is not as this host has published it")


def test_nor_from_a_release_that_somebody_has_put_beside_the_others(made: Site) -> None:
    added = made.tree.directory(3)
    added.mkdir()
    for name in (*FORMS, "Release"):
        (added / name).write_bytes((made.served() / name).read_bytes())
    channel = made.tree.root / "other"
    channel.symlink_to("releases/3")
    sealed_again(added, keys_next=(EVIL,), version=3, channel="other")
    refused(made, Site.publish, "release 3 is not as this host has published it")


def test_an_old_release_under_another_number_is_none_of_the_tree(made: Site) -> None:
    (made.served() / "Release").write_bytes((made.tree.directory(1) / "Release").read_bytes())
    with pytest.raises(TreeError, match="release 2 has the version 1"):
        made.publish()


def test_what_a_channel_serves_is_compared_before_it_gets_a_toolchain_alone(tmp_path: Path) -> None:
    made = site(tmp_path)
    made.publisher = remembering(made, tmp_path, First(("sys-libs/glibc",), 24 * HOUR))
    made.pkgdir.add(GLIBC.format("2.38"), SYMBOL_CONTRACT=libc(OLD))
    made.pkgdir.add("app-misc/tool-1", SYMBOL_CONTRACT=needs(OLD))
    made.publish()
    made.pkgdir.add(GLIBC.format("2.39"), SYMBOL_CONTRACT=libc(OLD, NEW))
    made.pkgdir.add("app-misc/tool-2", SYMBOL_CONTRACT=needs(OLD, NEW))
    made.publish("staging")
    tamper(made.served())
    refused(made, Site.publish, "Packages was changed or damaged")
    refused(made, lambda made: made.publisher.promote("staging", "production"), "Packages was changed or damaged")


def test_a_publish_mends_a_damaged_index(made: Site) -> None:
    tamper(made.served())
    made.publish()
    assert b"evil" not in (made.served() / "Packages").read_bytes()
    assert made.tree.live("production") == 3


def test_a_tree_from_another_host_is_believed(made: Site, tmp_path: Path) -> None:
    (tmp_path / "state/released").unlink()
    sealed_again(made.served(), keys_next=(EVIL,))
    made.publish()
    made.publisher.rollback("production")
    assert made.tree.live("production") == 3


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"x": 1}', b"[" * 10_000, b'{"x": {"y": "z"}}', b"\xff", None])
def test_what_cannot_be_read_is_not_taken_for_nothing(made: Site, tmp_path: Path, damage: bytes | None) -> None:
    remembered = tmp_path / "state/released"
    remembered.unlink()
    if damage is None:
        remembered.mkdir()
    else:
        remembered.write_bytes(damage)
    sealed_again(made.served(), keys_next=(EVIL,))
    for act in (Site.publish, lambda one: one.publisher.promote("production", "stable")):
        refused(made, act, f"{remembered}, which says what this host has published, cannot be read")


def test_a_publisher_that_was_killed_before_its_release_had_a_number_goes_on(
    made: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(made.tree, "commit", lambda number: 1 / 0)
        made.pkgdir.add("app-misc/new-1")
        with pytest.raises(ZeroDivisionError):
            made.publish()
    made.clock.now += 1
    made.publish()
    assert made.tree.live("production") == 3
    made.publisher.promote("production", "stable")


def test_nothing_is_published_that_could_not_be_remembered(made: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next publish would refuse it. Where nothing is remembered, as with a read-only /var, nothing is compared."""

    def full(*_words: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "released")

    monkeypatch.setattr(files, "replace_file", full)
    made.pkgdir.add("app-misc/new-1")
    with pytest.raises(PublishError, match="No space"):
        made.publish()
    assert made.tree.live("production") == 2
    (tmp_path / "state/released").unlink()
    made.publish()
    assert made.tree.live("production") == 3


def test_a_release_in_place_is_followed_only_as_this_host_has_written_it(made: Site, tmp_path: Path) -> None:
    place, released = made.pkgdir.path, Released(tmp_path / "state/released")
    terms = ReleaseTerms(86400 * 30, "production")

    def sign() -> object:
        return in_place.make_release(place, terms, lambda data: SIGNATURE, made.clock.now, released=released)

    sign()
    sign()
    sealed_again(place, keys_next=(EVIL,))
    with pytest.raises(ChangedReleaseError):
        sign()
    with pytest.raises(ChangedReleaseError):
        in_place.resign(place, terms, lambda data: SIGNATURE, force=True, now=made.clock.now, released=released)


def test_only_so_many_releases_of_a_tree_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Site) -> None:
    monkeypatch.setattr("portage_ext.limits.MAX_RELEASES_REMEMBERED", 3)
    released, last = Released(tmp_path / "other"), made.tree.release(2)
    for version in range(1, 8):
        released.add(tmp_path, replace(last, version=version))
    released.check(tmp_path, replace(last, version=4, keys_next=(EVIL,)))
    for version in (5, 6, 7, 8):
        with pytest.raises(ChangedReleaseError):
            released.check(tmp_path, replace(last, version=version, keys_next=(EVIL,)))
    released.check(tmp_path / "elsewhere", last)

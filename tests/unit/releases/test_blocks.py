"""Blocks of an index go from release to release unread, and nobody who can only write to the tree gains anything by that."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.errors.releases import GateError
from portage_ext.index.blocks import gzip_member
from portage_ext.index.expand import expand
from portage_ext.releases import blocks
from portage_ext.releases.blocks import KEPT
from portage_ext.releases.gates.index import IndexGate
from portage_ext.releases.made import Source
from portage_ext.releases.note import BLOCKS_NAME, NAMES_NAME
from portage_ext.releases.pool.files import names_of
from tests.unit.releases.published import Site, site

GATES = (IndexGate(),)


@pytest.fixture
def made(tmp_path: Path) -> Site:
    """Three packages, a block for each, published once."""
    made = site(tmp_path)
    for name in ("bar", "foo", "qux"):
        made.pkgdir.add(f"app-misc/{name}-1")
    publish(made)
    return made


def sizes(made: Site) -> list[int]:
    """Each entry is a block of its own."""
    _, _, body = (made.pkgdir.path / "Packages").read_bytes().partition(b"\n\n")
    return [len(entry) + 2 for entry in body.split(b"\n\n")[:-1]]


def source(made: Site) -> Source:
    return replace(made.source(), sizes=lambda: sizes(made))


def publish(made: Site) -> None:
    made.pkgdir.write()
    made.clock.now += 1
    made.publisher.publish("production", source(made), GATES)


def change(made: Site) -> None:
    """Another build of one package, so that there is a next release."""
    made.pkgdir.remove("app-misc/qux/qux-1-1.gpkg.tar")
    made.pkgdir.add("app-misc/qux-1", 2)


def served(made: Site) -> bytes:
    """The index without its header; every form says the same."""
    plain = (made.served() / "Packages").read_bytes()
    for form in ("Packages.gz", "Packages.zst"):
        assert expand(form, (made.served() / form).read_bytes(), len(plain), form) == plain
    return plain.partition(b"\n\n")[2]


def tamper(made: Site, number: int, text: bytes | None = None, gz: bytes | None = None) -> None:
    """Put other bytes in the place of a block of the live release, and make its hidden files agree with them."""
    directory = made.served()
    head, old = blocks.of_release(directory)
    changed = replace(old[number], text=text or old[number].text, gz=gz or old[number].gz)
    changed = replace(changed, digest=blocks.digest(changed.text))
    new = [*old[:number], changed, *old[number + 1 :]]
    plain = head + b"".join(one.text for one in new)
    (directory / "Packages").write_bytes(plain)
    packed = (directory / "Packages.gz").read_bytes()
    begin = len(packed) - sum(len(one.gz) for one in old)
    (directory / "Packages.gz").write_bytes(packed[:begin] + b"".join(one.gz for one in new))
    for name, data in blocks.files_of(new, len(plain), int((directory / "Packages").stat().st_mtime)).items():
        (directory / name).write_bytes(data)
    assert len(blocks.of_release(directory)[1]) == len(old)


def test_a_block_that_the_live_release_has_is_not_read_again(made: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    change(made)
    read: list[bytes] = []
    split = blocks.split

    def spied(body: bytes, where: str) -> dict[str, bytes]:
        read.append(body)
        return split(body, where)

    monkeypatch.setattr(blocks, "split", spied)
    publish(made)
    assert {b"CPV: app-misc/qux-1" in body for body in read} == {True}


def test_the_index_is_the_one_that_reading_all_of_it_makes(made: Site) -> None:
    change(made)
    publish(made)
    carried = served(made)
    (made.pkgdir.path / KEPT).unlink()
    (made.served() / BLOCKS_NAME).unlink()
    made.pkgdir.write()
    made.publisher.renew("production", force="a test")
    made.pkgdir.add("app-misc/zoo-1")
    made.publish()
    assert served(made).startswith(carried)


@pytest.mark.parametrize("damage", [b"", b"x", b"portage-ext blocks 1\n" + b"0" * 224])
def test_what_a_pkgdir_keeps_may_be_damaged(made: Site, damage: bytes) -> None:
    before = served(made)
    (made.pkgdir.path / KEPT).write_bytes(damage)
    made.pkgdir.add("app-misc/zoo-1")
    publish(made)
    assert served(made).startswith(before)


def test_a_block_that_was_changed_in_the_tree_is_not_published(made: Site) -> None:
    before = served(made)
    _, old = blocks.of_release(made.served())
    tamper(made, 0, text=bytes(old[0].text).replace(b"REPO: tiny", b"REPO: evil"))
    change(made)
    publish(made)
    assert b"evil" not in served(made)
    assert served(made).startswith(before[: len(old[0].text)])


def test_a_compressed_block_that_was_changed_in_the_tree_is_not_published(made: Site) -> None:
    tamper(made, 0, gz=gzip_member(b"CPV: app-misc/evil-1\n\n"))
    change(made)
    publish(made)
    assert served(made)


def test_a_compressed_block_of_a_release_that_is_promoted_is_looked_into(made: Site) -> None:
    tamper(made, 0, gz=gzip_member(b"CPV: app-misc/evil-1\n\n"))
    with pytest.raises(GateError) as error:
        made.publisher.promote("production", "stable", GATES)
    assert "Packages.gz" in " ".join(error.value.lines)


def test_a_file_that_was_swapped_comes_from_pkgdir_again(made: Site) -> None:
    path = "app-misc/foo/foo-1-1.gpkg.tar"
    place, data = made.tree.root / "pool" / made.name(path), (made.pkgdir.path / path).read_bytes()
    place.unlink()
    place.write_bytes(b"\0" * len(data))
    change(made)
    publish(made)
    assert (made.served() / made.name(path)).read_bytes() == data


def test_a_file_that_is_lost_everywhere_is_found_by_the_gate(made: Site) -> None:
    path = "app-misc/foo/foo-1-1.gpkg.tar"
    (made.tree.root / "pool" / made.name(path)).unlink()
    (made.pkgdir.path / path).unlink()
    change(made)
    with pytest.raises(GateError) as error:
        publish(made)
    assert "cannot be read" in " ".join(error.value.lines)


def test_names_count_only_for_the_index_that_they_are_of(made: Site) -> None:
    directory = made.tree.directory(1)
    names = {made.name(f"app-misc/{name}/{name}-1-1.gpkg.tar") for name in ("bar", "foo", "qux")}
    assert names_of(directory) == names
    record = (directory / NAMES_NAME).read_bytes()
    (directory / NAMES_NAME).write_bytes(record.replace(b"foo", b"bar"))
    assert names_of(directory) == names
    (directory / NAMES_NAME).write_bytes(record)
    os.utime(directory / "Packages", (1, 1))
    (directory / "Packages").write_bytes((directory / "Packages").read_bytes() + b"PATH: app-misc/new/new-1-1.gpkg.tar\n")
    assert names_of(directory) == {*names, "app-misc/new/new-1-1.gpkg.tar"}


@pytest.mark.parametrize("text", ["", "[", "{}", "[[1, 2, 3]]", "[[1, 2, 3, 4, 5]]", json.dumps([[10**30, 1, 1, 1, "00"]])])
def test_blocks_that_cannot_be_read_are_none(made: Site, text: str) -> None:
    (made.served() / BLOCKS_NAME).write_text(text)
    assert blocks.of_release(made.served()) == (b"", ())

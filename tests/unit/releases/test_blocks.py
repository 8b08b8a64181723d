"""Blocks of an index go from release to release unread, and nobody who can only write to the tree gains anything by that."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.errors import InvalidIndexError
from portage_ext.errors.releases import GateError
from portage_ext.index.blocks import gzip_member
from portage_ext.index.expand import expand
from portage_ext.releases import blocks, contents
from portage_ext.releases.gates import index as gate
from portage_ext.releases.gates.index import IndexGate
from portage_ext.releases.made import Source, Terms
from portage_ext.releases.note import BLOCKS_NAME, NAMES_NAME
from portage_ext.releases.pool import carrying, looked
from portage_ext.releases.pool.files import names_of
from portage_ext.releases.pool.kept import KEPT
from portage_ext.releases.pool.looked import Looked
from portage_ext.releases.publish import Publisher
from tests.unit.releases.published import SIGNATURE, Site, site

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
    index = blocks.of_release(directory)
    head, old = index.head, index.blocks
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
    assert len(blocks.of_release(directory).blocks) == len(old)


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


@pytest.mark.parametrize("piece", [1, 700, 1 << 20])
def test_the_index_of_a_pkgdir_is_read_in_pieces(made: Site, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "_PIECE", piece)
    made.pkgdir.write()
    live = blocks.of_release(made.served()).blocks
    carried = carrying.of_pkgdir(made.pkgdir.path, sizes(made), lambda: live)
    whole = carrying.of_pkgdir(made.pkgdir.path, (), lambda: ())
    assert carried.contents.body == whole.contents.body
    assert carried.sources == whole.sources
    assert [block.known for block in carried.contents.blocks] == [True] * 3


@pytest.mark.parametrize("wrong", [[], [0], [10], [1, 10**6], [-5, 10]])
def test_a_pkgdir_with_other_blocks_than_it_says_is_read_as_a_whole(made: Site, wrong: list[int]) -> None:
    whole = carrying.of_pkgdir(made.pkgdir.path, (), lambda: ())
    assert carrying.of_pkgdir(made.pkgdir.path, wrong, lambda: ()).contents.body == whole.contents.body


def test_paths_that_are_asked_for_too_late_are_not_known(made: Site) -> None:
    """Messages then have the names in the pool."""
    live = blocks.of_release(made.served()).blocks
    carried = carrying.of_pkgdir(made.pkgdir.path, sizes(made), lambda: live)
    (made.pkgdir.path / "Packages").unlink()
    assert carried.sources.get("app-misc/foo/foo-1-1.gpkg.tar", "?") == "?"


def test_only_blocks_that_the_live_release_lacks_are_compressed(made: Site) -> None:
    change(made)
    made.pkgdir.write()
    live = blocks.of_release(made.served()).blocks
    (made.pkgdir.path / KEPT).unlink()  # so that all of them are read
    begun: list[bytes] = []
    carried = carrying.of_pkgdir(made.pkgdir.path, sizes(made), lambda: live, lambda block: begun.append(block.digest))
    assert begun == [carried.contents.blocks[2].digest]


def test_the_pieces_of_a_form_are_its_blocks_in_order(made: Site) -> None:
    one, two, three = blocks.of_release(made.served()).blocks
    other = replace(two, text=b"other", gz=b"gz", zst=b"zst", place=None)
    for name in ("Packages", "Packages.gz", "Packages.zst"):
        for order in ([one, two, three], [one, other, three], [three, two, one], [one, three], [one, one], [two], []):
            pieces = list(blocks.joined(order, name))
            assert b"".join(pieces) == b"".join(block.form(name) for block in order)
        assert len(list(blocks.joined([one, two, three], name))) == 1


@pytest.mark.parametrize("damage", [b"", b"x", b"portage-ext blocks 2\n" + b"0" * 224])
def test_what_a_pkgdir_keeps_may_be_damaged(made: Site, damage: bytes) -> None:
    before = served(made)
    (made.pkgdir.path / KEPT).write_bytes(damage)
    made.pkgdir.add("app-misc/zoo-1")
    publish(made)
    assert served(made).startswith(before)


def test_a_block_that_was_changed_in_the_tree_is_not_published(made: Site) -> None:
    before = served(made)
    old = blocks.of_release(made.served()).blocks
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


def test_a_block_of_the_live_release_that_was_damaged_is_replaced(made: Site) -> None:
    made.publisher.promote("production", "stable", GATES)
    before = served(made)
    damaged = made.served("stable") / "Packages"
    status = damaged.stat()
    damaged.write_bytes(damaged.read_bytes().replace(b"REPO: tiny", b"REPO: evil", 1))
    os.utime(damaged, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert made.publisher.promote("production", "stable", GATES).release is not None
    assert (made.served("stable") / "Packages").read_bytes().partition(b"\n\n")[2] == before
    assert made.publisher.promote("production", "stable", GATES).release is None


def test_two_entries_with_one_path_are_not_published(made: Site) -> None:
    index = blocks.of_release(made.served())
    first, other = index.blocks[0], index.blocks[1]
    tamper(made, 1, text=bytes(other.text).replace(b"PATH: app-misc/foo/foo-1", b"PATH: app-misc/bar/bar-1"))
    record = (made.served() / NAMES_NAME).read_bytes().partition(b"\n")[2]
    twice = replace(blocks.of_release(made.served()).blocks[1], record=first.record)
    assert twice.record in record
    with pytest.raises(InvalidIndexError, match="same path"):
        contents.of_blocks({}, [first, twice], "here")


# --- blocks that were looked into (pool/looked)


@pytest.fixture
def expanded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The forms of what the gate `index` expands; two of each run are the headers."""
    found: list[str] = []

    def spied(form: str, data: bytes, limit: int, where: str) -> bytes:
        found.append(form)
        return expand(form, data, limit, where)

    monkeypatch.setattr(gate, "expand", spied)
    return found


@pytest.fixture
def remembering(made: Site, tmp_path: Path) -> Site:
    made.publisher = Publisher(
        made.tree, lambda data: SIGNATURE, Terms(86400 * 30, 3600), clock=made.clock, looked=Looked(tmp_path / "state/blocks")
    )
    return made


def test_a_promotion_expands_no_block_that_this_host_made_or_looked_into(remembering: Site, expanded: list[str]) -> None:
    remembering.publisher.promote("production", "stable", GATES)
    assert len(expanded) == 2 + 6, "nothing is remembered yet"
    change(remembering)
    publish(remembering)
    expanded.clear()
    remembering.publisher.promote("production", "stable", GATES)
    remembering.publisher.rollback("stable", None, GATES)
    assert sorted(expanded) == ["Packages.gz"] * 2 + ["Packages.zst"] * 2


def test_blocks_that_no_gate_looked_into_are_not_remembered(remembering: Site, expanded: list[str]) -> None:
    remembering.publisher.promote("production", "stable")
    remembering.publisher.promote("production", "other", GATES)
    assert len(expanded) == 2 + 6


def test_a_compressed_block_that_was_changed_is_found_although_others_are_remembered(remembering: Site) -> None:
    remembering.publisher.promote("production", "stable", GATES)
    tamper(remembering, 0, gz=gzip_member(b"CPV: app-misc/evil-1\n\n"))
    with pytest.raises(GateError) as error:
        remembering.publisher.promote("production", "third", GATES)
    assert "Packages.gz" in " ".join(error.value.lines)


@pytest.mark.parametrize("damage", [b"", b"x", b"portage-ext looked 1\n" + b"0" * 64])
def test_what_is_remembered_may_be_damaged(remembering: Site, tmp_path: Path, expanded: list[str], damage: bytes) -> None:
    remembering.publisher.promote("production", "stable", GATES)
    (tmp_path / "state/blocks").write_bytes(damage)
    expanded.clear()
    remembering.publisher.promote("production", "third", GATES)
    assert len(expanded) == 2 + 6
    remembering.publisher.promote("production", "fourth", GATES)
    assert len(expanded) == 2 + 6 + 2


def test_no_more_is_remembered_than_the_bound(made: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looked, "MAX_BLOCKS_LOOKED_INTO", 2)
    memory = Looked(tmp_path / "blocks")
    every = blocks.of_release(made.served()).blocks
    memory.add(every)
    assert [one.known for one in memory.known(every)] == [False, True, True]
    memory.add(every[:1])
    assert [one.known for one in memory.known(every)] == [True, False, True]


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
    assert not blocks.of_release(made.served()).blocks


def test_a_record_names_packages_also_where_a_size_or_a_time_is_missing() -> None:
    assert blocks.names(b"a/b/c 1 2\nd/e/f  \n") == ["a/b/c", "d/e/f"]
    assert blocks.names(b"a/b/c 1 2\nd/e/f\n") == ["a/b/c", "d/e/f"]
    assert blocks.names(b"") == []


def test_a_record_that_names_another_package_than_the_text_is_an_error_with_words() -> None:
    text = b"CPV: app-misc/foo-1\nPATH: app-misc/foo-1.gpkg.tar\n\n"
    there = blocks.Block(text, blocks.digest(text), b"app-misc/bar-1.gpkg.tar 1 1\n")
    with pytest.raises(InvalidIndexError, match="names names it"):
        blocks.Entries([there])["app-misc/bar-1.gpkg.tar"]


def test_the_categories_of_blocks() -> None:
    records = (b"a/b/c 1 2\na/d/e 1 2\n", b"a/b/f 1 2\nb/b/c 1 2\n", b"c/x/y 1 2\n")
    assert blocks.categories([blocks.Block(b"", b"", record) for record in records]) == {"a", "b", "c"}


def test_many_digests_are_those_of_single_blocks() -> None:
    parts = [bytes([number]) * (number * 97) for number in range(40)]
    assert blocks.digests(parts) == [blocks.digest(part) for part in parts]

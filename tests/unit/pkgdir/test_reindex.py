"""Only what changed is opened, every form is of one generation, TIMESTAMP only grows, and the state may be lost at any time."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
import zstandard

from portage_ext.errors import IndexWriteError, MassRemovalError, PkgdirError
from portage_ext.gpkg.source import FileStamp
from portage_ext.index import forms
from portage_ext.pkgdir import changes
from portage_ext.pkgdir.cache import NAME, Aside, DamagedStateError, Saving, State, load
from portage_ext.pkgdir.changes import Vouched
from portage_ext.pkgdir.reindex import Reindexer
from tests.testkit import binpkgs
from tests.unit.pkgdir.engine import Engine


def fill(engine: Engine, numbers: range | list[int]) -> None:
    for number in numbers:
        cpv = f"app-misc/p{number:03}-1"
        binpkgs.put(engine.pkgdir, f"app-misc/p{number:03}/p{number:03}-1-1.gpkg.tar", binpkgs.gpkg(binpkgs.metadata(cpv)))


def path(number: int) -> str:
    return f"app-misc/p{number:03}/p{number:03}-1-1.gpkg.tar"


def one_generation(engine: Engine) -> None:
    plain = (engine.pkgdir / "Packages").read_bytes()
    assert gzip.decompress((engine.pkgdir / "Packages.gz").read_bytes()) == plain
    with (engine.pkgdir / "Packages.zst").open("rb") as file:
        assert zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read() == plain
    stamp = int(engine.header()["TIMESTAMP"])
    assert {int((engine.pkgdir / name).stat().st_mtime) for name in forms.FORMS} == {stamp}


def test_unchanged_packages_are_not_opened_and_nothing_is_written(engine: Engine) -> None:
    fill(engine, range(30))
    assert engine.run().opened == 30
    before = forms.stamps(engine.pkgdir)
    engine.now += 100
    report = engine.run()
    assert (report.opened, report.written) == (0, False)
    assert forms.stamps(engine.pkgdir) == before


def test_added_changed_and_removed_packages_are_told_apart(engine: Engine) -> None:
    fill(engine, range(30))
    engine.run()
    fill(engine, [40])
    os.utime(engine.pkgdir / path(3), (1, 1))
    (engine.pkgdir / path(7)).unlink()
    report = engine.run()
    assert (report.added, report.changed, report.removed) == ((path(40),), (path(3),), (path(7),))
    assert report.opened == 2
    assert path(7) not in engine.paths()
    one_generation(engine)


@pytest.mark.parametrize("data", [None, b"", b"no package" * 100], ids=["package", "empty", "damaged"])
def test_a_package_from_the_far_future_is_left_out_and_stops_nothing_else(engine: Engine, data: bytes | None) -> None:
    fill(engine, range(3))
    file = engine.pkgdir / path(1)
    if data is not None:
        file.write_bytes(data)
    os.utime(file, ns=(0, 9_223_372_037 * 10**9))
    if file.stat().st_mtime_ns < 1 << 63:
        pytest.skip("this file system has no such times")
    for _ in range(2):
        assert "touch" in str(engine.run().left_out)
        assert engine.paths() == [path(0), path(2)]


def test_a_damaged_name_from_the_far_future_stops_nothing(engine: Engine) -> None:
    fill(engine, range(2))
    file = binpkgs.put(engine.pkgdir, "app-misc/a\nb-1-1.gpkg.tar", b"x")
    os.utime(file, ns=(0, 9_223_372_037 * 10**9))
    assert len(engine.run().left_out) == 1
    assert engine.paths() == [path(0), path(1)]


def test_a_left_out_file_may_have_any_inode(tmp_path: Path) -> None:
    """Overlayfs uses the highest bits."""
    for inode in (1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
        aside = {"a": Aside(FileStamp(1, -5, inode), "EmptyPackageError", "x")}
        Saving(tmp_path, []).commit(State("c", aside=aside), mode=0o644, group=None)
        assert load(tmp_path).aside == aside


@pytest.mark.parametrize("what", ["size", "mtime", "inode"])
def test_a_change_of_any_part_of_the_stamp_is_seen(engine: Engine, what: str) -> None:
    fill(engine, range(3))
    engine.run()
    file = engine.pkgdir / path(1)
    status = file.stat()
    values = binpkgs.metadata("app-misc/p001-1", KEYWORDS="arm64" if what != "size" else "amd64 arm64 " * 200)
    if what == "mtime":
        data = file.read_bytes()
        file.write_bytes(data)
        os.utime(file, ns=(0, status.st_mtime_ns + 1))
    else:
        other = binpkgs.put(engine.pkgdir, "new", binpkgs.gpkg(values))
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.rename(file)
    assert engine.run().changed == (path(1),)


def test_every_change_of_a_long_life_gives_what_a_new_index_says(engine: Engine) -> None:
    chance = random.Random(4)
    living = Reindexer(engine.repository)
    there: set[int] = set()
    for step in range(40):
        for number in chance.sample(range(250), chance.randrange(1, 30)):
            if number in there and chance.random() < 0.6:
                (engine.pkgdir / path(number)).unlink()
                there.discard(number)
            else:
                fill(engine, [number])
                there.add(number)
        engine.now += chance.choice([0, 1, -50])
        (living if step % 2 else Reindexer(engine.repository)).run(force=True)
        one_generation(engine)
        told = (engine.pkgdir / "Packages").read_bytes().partition(b"\n\n")[2]
        if step % 10 == 9:
            place = engine.pkgdir.parent / "twin"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            twin = Engine.create(place)
            twin.pkgdir.rmdir()
            shutil.copytree(engine.pkgdir, twin.pkgdir, ignore=shutil.ignore_patterns("Packages*", ".portage-ext*"))
            twin.run(force=True)
            assert (twin.pkgdir / "Packages").read_bytes().partition(b"\n\n")[2] == told
    assert sorted(engine.paths()) == sorted(map(path, there))


def test_a_caller_that_names_its_packages_has_them_indexed(engine: Engine) -> None:
    fill(engine, range(5))
    living = Reindexer(engine.repository)
    living.run()
    fill(engine, [9])
    os.utime(engine.pkgdir / path(2), (5, 5))
    (engine.pkgdir / path(4)).unlink()
    report = living.run(only=[path(9), path(2), path(4)])
    assert (report.added, report.changed, report.removed) == ((path(9),), (path(2),), (path(4),))
    assert living.run().written is False


def test_timestamp_grows_within_one_second_and_when_the_clock_goes_back(engine: Engine) -> None:
    stamps = []
    for number, now in enumerate((100.0, 100.2, 100.9, 50.0, 0.0, 101.0, 500.0)):
        engine.now = now
        fill(engine, [number])
        stamps.append(engine.run().timestamp)
        assert int(engine.header()["TIMESTAMP"]) == stamps[-1]
    assert stamps == [100, 101, 102, 103, 104, 105, 500]


def test_timestamp_follows_an_index_that_portage_wrote_meanwhile(engine: Engine) -> None:
    fill(engine, range(2))
    engine.run()
    (engine.pkgdir / "Packages").write_text("PACKAGES: 0\nREPO_REVISIONS: {}\nTIMESTAMP: 1900000000\nVERSION: 0\n\n")
    assert engine.run().timestamp == 1_900_000_001
    assert engine.header()["REPO_REVISIONS"] == "{}"
    assert engine.run().written is False


@pytest.mark.parametrize("text", ["99999999999999999999", "-5", "soon", "253402300800"])
def test_an_absurd_timestamp_is_not_followed(engine: Engine, text: str) -> None:
    fill(engine, range(2))
    (engine.pkgdir / "Packages").write_text(f"TIMESTAMP: {text}\nVERSION: 0\n\n")
    assert engine.run().timestamp == int(engine.now)


@pytest.mark.parametrize("form", forms.FORMS)
def test_a_form_that_is_gone_or_foreign_is_written_again(engine: Engine, form: str) -> None:
    fill(engine, range(40))
    engine.run()
    (engine.pkgdir / form).unlink()
    assert engine.run().written
    one_generation(engine)
    (engine.pkgdir / form).write_bytes(b"of somebody else")
    assert engine.run().opened == 0
    one_generation(engine)


@pytest.mark.parametrize("changed", [False, True])
def test_forms_that_portage_replaced_are_copied_from_files_that_are_still_open(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    """``changed``: the file is no longer the one that was written."""
    fill(engine, range(200))
    engine.run()
    former = [os.open(engine.pkgdir / name, os.O_RDONLY) for name in ("Packages", "Packages.gz")]
    if changed:
        for name in ("Packages", "Packages.gz"):
            (engine.pkgdir / name).write_bytes(bytes((engine.pkgdir / name).stat().st_size))
    for name in ("Packages", "Packages.gz"):
        other = engine.pkgdir / "other"
        other.write_bytes(b"VERSION: 0\n\n")
        other.rename(engine.pkgdir / name)
    fill(engine, [100, 777])
    sources: list[int] = []

    def copy(source: int, target: int, offset: int, length: int) -> None:
        sources.append(os.fstat(source).st_ino)
        original(source, target, offset, length)

    original = forms._copy
    monkeypatch.setattr(forms, "_copy", copy)
    try:
        Reindexer(engine.repository, former=former).run()
        for descriptor in former:
            assert (os.fstat(descriptor).st_ino in sources) is not changed
    finally:
        for descriptor in former:
            os.close(descriptor)
    one_generation(engine)
    told = (engine.pkgdir / "Packages").read_bytes().partition(b"\n\n")[2]
    (engine.pkgdir / NAME).unlink()
    engine.run()
    assert (engine.pkgdir / "Packages").read_bytes().partition(b"\n\n")[2] == told


def test_nothing_is_copied_through_a_link(engine: Engine) -> None:
    """Who may write into PKGDIR can make a link to a file that only root may read, and a state that fits it."""
    fill(engine, range(200))
    engine.run()
    secret = engine.pkgdir.parent / "secret"
    (engine.pkgdir / "Packages").rename(secret)
    (engine.pkgdir / "Packages").symlink_to(secret)
    status = secret.stat()
    with secret.open("r+b") as file:
        file.seek(status.st_size // 2)
        file.write(b"the secret")
    os.utime(secret, ns=(status.st_atime_ns, status.st_mtime_ns))
    fill(engine, [0])
    assert engine.run().written
    assert b"the secret" not in (engine.pkgdir / "Packages").read_bytes()
    assert not (engine.pkgdir / "Packages").is_symlink()
    one_generation(engine)


def test_digests_that_portage_dropped_are_restored_without_opening_a_package(engine: Engine) -> None:
    fill(engine, range(20))
    engine.run()
    before = [entry.strong_digests for entry in engine.entries()]
    assert all(len(digests) == 1 for digests in before)
    text = (engine.pkgdir / "Packages").read_text().splitlines(keepends=True)
    (engine.pkgdir / "Packages").write_text("".join(line for line in text if not line.startswith("BLAKE2B")))
    report = engine.run()
    assert (report.opened, report.written) == (0, True)
    assert [entry.strong_digests for entry in engine.entries()] == before


def test_digests_are_those_of_the_file(engine: Engine) -> None:
    fill(engine, [1])
    engine.run()
    (entry,) = engine.entries()
    data = (engine.pkgdir / path(1)).read_bytes()
    for name in ("MD5", "SHA1", "BLAKE2B"):
        assert entry.get(name) == hashlib.new(name.lower(), data).hexdigest()
    assert not entry.get("SHA512")
    assert entry.size == len(data)


def damage(kind: str, file: Path, chance: random.Random) -> None:
    data = bytearray(file.read_bytes())
    if kind == "removed":
        file.unlink()
    elif kind == "emptied":
        file.write_bytes(b"")
    elif kind == "cut":
        file.write_bytes(bytes(data[: len(data) // 2]))
    elif kind == "overwritten":
        file.write_bytes(b"not a database" * 999)
    else:
        for _ in range(20):
            data[chance.randrange(100, len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(bytes(data))


@pytest.mark.parametrize("kind", ["removed", "emptied", "cut", "overwritten", *(f"flipped {n}" for n in range(8))])
def test_a_damaged_state_is_made_again_by_itself(engine: Engine, kind: str) -> None:
    fill(engine, range(60))
    engine.run()
    told = (engine.pkgdir / "Packages").read_bytes()
    damage(kind.split()[0], engine.pkgdir / NAME, random.Random(kind))
    fill(engine, [99])
    engine.run()
    one_generation(engine)
    assert engine.paths() == [*map(path, range(60)), path(99)]
    (engine.pkgdir / path(99)).unlink()
    engine.run()
    assert (engine.pkgdir / "Packages").read_bytes().partition(b"\n\n")[2] == told.partition(b"\n\n")[2]
    assert engine.run().opened == 0


@pytest.mark.parametrize("table", ["meta", "block", "aside"])
def test_parts_of_two_runs_are_no_state(engine: Engine, table: str) -> None:
    """As after a power failure: each value is whole, but some are of the run before."""
    fill(engine, range(60))
    binpkgs.put(engine.pkgdir, "app-misc/broken-1.xpak", b"no package")
    engine.run()
    shutil.copy(engine.pkgdir / NAME, engine.pkgdir.parent / "before")
    os.utime(engine.pkgdir / path(3), (1, 1))
    os.utime(engine.pkgdir / "app-misc/broken-1.xpak", (1, 1))
    engine.run()
    assert load(engine.pkgdir).blocks
    with contextlib.closing(sqlite3.connect(engine.pkgdir / NAME)) as database, database:
        database.execute("ATTACH ? AS before", (str(engine.pkgdir.parent / "before"),))
        database.execute(f"DELETE FROM main.{table}")
        database.execute(f"INSERT INTO main.{table} SELECT * FROM before.{table}")
    with pytest.raises(DamagedStateError, match="two runs"):
        load(engine.pkgdir)
    assert engine.run().opened == 61
    one_generation(engine)
    assert engine.run().opened == 0


def test_blocks_that_are_compressed_while_the_index_is_written_are_those_of_a_new_index(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_BEGUN", 2)
    fill(engine, range(400))
    engine.run(jobs=2)
    for number in range(0, 400, 9):
        values = binpkgs.metadata(f"app-misc/p{number:03}-1", KEYWORDS="arm64")
        binpkgs.put(engine.pkgdir, path(number), binpkgs.gpkg(values))
    living = Reindexer(engine.repository, 2)
    assert living.run().opened == 45
    one_generation(engine)
    assert all(block.held is None and block.sizes for block in living._state.blocks) if living._state else False
    assert sum(living.sizes()) == len((engine.pkgdir / "Packages").read_bytes().partition(b"\n\n")[2])
    fill(engine, [401])
    (engine.pkgdir / path(9)).unlink()
    living.run()
    one_generation(engine)
    told = (engine.pkgdir / "Packages").read_bytes().partition(b"\n\n")[2]
    (engine.pkgdir / NAME).unlink()
    engine.run()
    assert (engine.pkgdir / "Packages").read_bytes().partition(b"\n\n")[2] == told


@pytest.mark.parametrize("kind", ["damaged", "missing", "of another size"])
def test_damaged_forms_in_the_state_are_made_again_when_they_are_needed(engine: Engine, kind: str) -> None:
    fill(engine, range(60))
    engine.run()
    change = {
        "damaged": "UPDATE form SET zst = zeroblob(length(zst)), gz = zeroblob(length(gz))",
        "missing": "DELETE FROM form",
        "of another size": "UPDATE form SET zst = zeroblob(1), gz = zeroblob(1)",
    }
    with contextlib.closing(sqlite3.connect(engine.pkgdir / NAME)) as database, database:
        database.execute(change[kind])
    (engine.pkgdir / "Packages.gz").unlink()
    assert engine.run().written
    one_generation(engine)
    assert engine.paths() == [path(n) for n in range(60)]
    assert engine.run().opened == 0


def test_silent_changes_are_found_by_verify_only(engine: Engine) -> None:
    fill(engine, range(3))
    engine.run()
    file = engine.pkgdir / path(1)
    status = file.stat()
    data = file.read_bytes()
    with file.open("r+b") as stream:
        stream.seek(data.rindex(b"image.tar.zst") + 600)
        stream.write(b"\xff\xfe\xfd")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert engine.run().opened == 0
    report = engine.run(verify=True)
    assert report.opened == 3
    assert [one.path for one in report.left_out] or report.silent == (path(1),)


def test_a_silent_change_that_keeps_the_package_whole_is_indexed_and_told(engine: Engine) -> None:
    fill(engine, range(3))
    engine.run()
    file = engine.pkgdir / path(1)
    status = file.stat()
    twin = binpkgs.gpkg(binpkgs.metadata("app-misc/p001-1", KEYWORDS="arm64"), compression="none")
    first = binpkgs.gpkg(binpkgs.metadata("app-misc/p001-1", KEYWORDS="amd64"), compression="none")
    assert len(first) == len(twin)
    file.write_bytes(first)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    engine.run()
    file.write_bytes(twin)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert engine.run().opened == 0
    report = engine.run(verify=True)
    assert (report.silent, report.left_out, report.written) == ((path(1),), (), True)
    assert engine.run(verify=True).written is False


def test_what_is_withheld_counts_as_not_there_until_a_run_takes_it_in(engine: Engine) -> None:
    fill(engine, range(3))
    report = engine.run(withheld=[path(1)])
    assert (report.added, report.left_out, report.opened) == ((path(0), path(2)), (), 2)
    assert engine.run(withheld=[path(1)]).written is False
    report = engine.run()
    assert (report.added, report.opened) == ((path(1),), 1)


def test_withholding_most_of_the_index_refuses(engine: Engine) -> None:
    fill(engine, range(30))
    engine.run()
    with pytest.raises(MassRemovalError):
        engine.run(withheld=[path(number) for number in range(20)])


def test_a_run_that_would_drop_most_of_the_index_refuses(engine: Engine) -> None:
    fill(engine, range(30))
    engine.run()
    told = forms.stamps(engine.pkgdir)
    for number in range(20):
        (engine.pkgdir / path(number)).unlink()
    with pytest.raises(MassRemovalError) as refused:
        engine.run()
    assert (refused.value.before, refused.value.after) == (30, 10)
    assert forms.stamps(engine.pkgdir) == told
    assert len(engine.run(force=True).removed) == 20


def test_it_refuses_without_state_too_and_when_nothing_would_remain(engine: Engine) -> None:
    fill(engine, range(2))
    engine.run()
    (engine.pkgdir / NAME).unlink()
    shutil.rmtree(engine.pkgdir / "app-misc")
    with pytest.raises(MassRemovalError):
        engine.run()


@pytest.mark.parametrize("damage", [b"\nUSE: x\n", b"x" * 100 + b": y\n" + b"CPV: \n"], ids=["no CPV", "a key more"])
def test_it_refuses_without_state_too_where_the_index_is_damaged(engine: Engine, damage: bytes) -> None:
    fill(engine, range(9))
    engine.run()
    (engine.pkgdir / NAME).unlink()
    shutil.rmtree(engine.pkgdir / "app-misc")
    index = engine.pkgdir / "Packages"
    head, _, body = index.read_bytes().partition(b"\n\n")
    index.write_bytes(head + b"\n\n" + damage + b"\n" + body)
    with pytest.raises(MassRemovalError):
        engine.run()


def test_an_index_that_cannot_be_read_is_not_one_that_is_not_there(engine: Engine) -> None:
    fill(engine, range(2))
    engine.run()
    (engine.pkgdir / NAME).unlink()
    (engine.pkgdir / "Packages").unlink()
    (engine.pkgdir / "Packages").mkdir()
    with pytest.raises(PkgdirError):
        engine.run()


def test_half_of_a_few_packages_may_go_without_a_word_and_not_most(engine: Engine) -> None:
    fill(engine, range(6))
    engine.run()
    for number in range(3):
        (engine.pkgdir / path(number)).unlink()
    assert len(engine.run().removed) == 3
    for number in (3, 4):
        (engine.pkgdir / path(number)).unlink()
    with pytest.raises(MassRemovalError):
        engine.run()


def test_a_small_directory_that_was_emptied_is_refused_though_emerge_has_added_one(engine: Engine) -> None:
    fill(engine, range(9))
    engine.run()
    shutil.rmtree(engine.pkgdir / "app-misc")
    fill(engine, [100])
    with pytest.raises(MassRemovalError):
        engine.run()


KEY = "A" * 40


def test_what_a_run_that_signs_nothing_has_indexed_is_still_to_be_signed(engine: Engine) -> None:
    fill(engine, range(3))
    engine.run()
    assert sorted(Reindexer(engine.repository).unsigned(KEY)) == [path(0), path(1), path(2)]
    Reindexer(engine.repository).run(vouched=Vouched(KEY, frozenset([path(0), path(1)])))
    assert Reindexer(engine.repository).unsigned(KEY) == [path(2)]
    assert sorted(Reindexer(engine.repository).unsigned("B" * 40)) == [path(0), path(1), path(2)], (
        "another key, another question"
    )
    fill(engine, [3])
    assert sorted(Reindexer(engine.repository).unsigned(KEY)) == [path(2), path(3)]
    engine.run()
    assert sorted(Reindexer(engine.repository).unsigned(KEY)) == [path(2), path(3)], "indexed meanwhile, and signed by nobody"
    Reindexer(engine.repository).run(vouched=Vouched(KEY, frozenset([path(2), path(3)])))
    assert Reindexer(engine.repository).unsigned(KEY) == []
    os.utime(engine.pkgdir / path(1), (1_600_000_000, 1_600_000_000))
    engine.run()
    assert Reindexer(engine.repository).unsigned(KEY) == [path(1)], "it became another file"
    (engine.pkgdir / NAME).unlink()
    assert len(Reindexer(engine.repository).unsigned(KEY)) == 4, "a cache: without it everything is asked again"


def test_permissions_and_group_are_those_of_pkgdir(engine: Engine) -> None:
    fill(engine, [1])
    engine.pkgdir.chmod(0o2775)
    engine.run()
    for name in forms.FORMS:
        status = (engine.pkgdir / name).stat()
        assert status.st_mode & 0o777 == 0o664
        assert status.st_gid == engine.pkgdir.stat().st_gid
    (engine.pkgdir / "Packages").chmod(0o640)
    fill(engine, [2])
    engine.run()
    assert {(engine.pkgdir / name).stat().st_mode & 0o777 for name in forms.FORMS} == {0o660}


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod", "utime"])
def test_an_error_while_writing_leaves_the_old_index_and_no_temporary_file(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    fill(engine, range(3))
    engine.run()
    told = {name: (engine.pkgdir / name).read_bytes() for name in forms.FORMS}
    fill(engine, [5])

    def fails(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    # A disk that is full at the right moment cannot be had for real without mounting one (tests/system/crash does, for root).
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        with pytest.raises(IndexWriteError):
            engine.run()
    assert {name: (engine.pkgdir / name).read_bytes() for name in forms.FORMS} == told
    assert sorted(os.listdir(engine.pkgdir)) == sorted([NAME, "app-misc", *forms.FORMS])
    assert engine.run().added == (path(5),)
    one_generation(engine)


def test_what_a_killed_run_left_is_swept(engine: Engine) -> None:
    fill(engine, range(3))
    for name in forms.FORMS:
        (engine.pkgdir / f".portage-ext.{name}.abcd1234").write_bytes(b"half")
    engine.run()
    assert sorted(os.listdir(engine.pkgdir)) == sorted([NAME, "app-misc", *forms.FORMS])

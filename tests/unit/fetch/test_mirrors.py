"""Mirrors fail over by file, keep what came, and give up only when all have failed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.errors.trust import (
    AllMirrorsFailedError,
    CorruptFileError,
    NotFoundError,
    TrustError,
    UnsupportedUrlError,
)
from portage_ext.fetch.mirrors import Mirrors, Transports, bases
from portage_ext.fetch.sinks import Digests, FileSink
from tests.testkit import hostile
from tests.testkit.hostile import Hostile
from tests.unit.fetch.test_http import DATA, PATIENCE, ranges

DIGESTS = {"BLAKE2B": hashlib.blake2b(DATA).hexdigest(), "SHA512": hashlib.sha512(DATA).hexdigest()}


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Hostile, Hostile]]:
    (tmp_path / "file").write_bytes(DATA)
    with hostile.serve(tmp_path) as one, hostile.serve(tmp_path) as other:
        yield one, other


def fetch(
    two: tuple[Hostile, Hostile], output: Path, *, retries: int = 0, resume: bool = False
) -> tuple[str, list[TrustError]]:
    reports: list[TrustError] = []
    transports = Transports()
    mirrors = Mirrors(tuple(one.url for one in two), transports, PATIENCE, retries, 0.01, reports.append)
    sink = FileSink(output, len(DATA), DIGESTS, resume=resume)
    try:
        return mirrors.fetch("file", len(DATA), sink, sink.offset), reports
    finally:
        sink.close()
        transports.close()


def test_the_first_mirror_that_has_it_gives_it(two: tuple[Hostile, Hostile], tmp_path: Path) -> None:
    assert fetch(two, tmp_path / "out") == (two[0].url, [])
    assert (tmp_path / "out").read_bytes() == DATA
    assert two[1].requests == []


def test_what_broke_off_is_continued_at_the_next_mirror(two: tuple[Hostile, Hostile], tmp_path: Path) -> None:
    asked: list[str] = []

    def noting(handler: hostile.Handler) -> None:
        asked.append(handler.headers.get("Range", ""))
        ranges(handler)

    two[0].answers["/file"] = hostile.broken_off(DATA)
    two[1].answers["/file"] = noting
    base, _ = fetch(two, tmp_path / "out")
    assert base == two[1].url
    assert asked == [f"bytes={len(DATA) // 2}-"]
    assert (tmp_path / "out").read_bytes() == DATA


def test_a_wrong_file_is_not_continued(two: tuple[Hostile, Hostile], tmp_path: Path) -> None:
    two[0].answers["/file"] = hostile.garbage(len(DATA))
    base, reports = fetch(two, tmp_path / "out")
    assert base == two[1].url
    assert [type(one) for one in reports] == [CorruptFileError]
    assert (tmp_path / "out").read_bytes() == DATA


def test_a_mirror_without_the_file_is_not_asked_again(two: tuple[Hostile, Hostile], tmp_path: Path) -> None:
    two[0].answers["/file"] = hostile.status(404)
    two[1].answers["/file"] = hostile.status(500)
    with pytest.raises(AllMirrorsFailedError) as failed:
        fetch(two, tmp_path / "out", retries=2)
    assert (len(two[0].requests), len(two[1].requests)) == (1, 3)
    assert {type(one) for one in failed.value.reasons} >= {NotFoundError}


def test_a_partial_file_of_an_earlier_run_is_continued(two: tuple[Hostile, Hostile], tmp_path: Path) -> None:
    two[0].answers["/file"] = ranges
    (tmp_path / "out").write_bytes(DATA[:1234])
    fetch(two, tmp_path / "out", resume=True)
    assert (tmp_path / "out").read_bytes() == DATA


def test_a_partial_file_of_something_else_is_thrown_away(two: tuple[Hostile, Hostile], tmp_path: Path) -> None:
    for one in two:
        one.answers["/file"] = ranges
    (tmp_path / "out").write_bytes(b"x" * 1234)
    # The first answer completes a wrong file; the other mirror is asked for the whole.
    base, reports = fetch(two, tmp_path / "out", resume=True)
    assert base == two[1].url
    assert [type(one) for one in reports] == [CorruptFileError]
    assert (tmp_path / "out").read_bytes() == DATA


@pytest.mark.parametrize("url", ["file:///etc", "ftp://h/x", "/srv/binpkgs", "data:,x"])
def test_a_way_that_cannot_be_verified_is_refused(url: str, tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "out", 1, DIGESTS)
    with pytest.raises(AllMirrorsFailedError) as failed:
        Mirrors((url,), Transports(), retries=0).fetch("file", 1, sink)
    sink.close()
    assert [type(one) for one in failed.value.reasons] == [UnsupportedUrlError]


def test_digests_in_threads_are_those_without(tmp_path: Path) -> None:
    blocks = [bytes([number]) * 700_000 for number in range(20)]
    digests = Digests(("BLAKE2B", "SHA512", "MD5", "SHA1"))
    for block in blocks:
        digests.update(block)
    whole = b"".join(blocks)
    assert digests.values() == {
        "BLAKE2B": hashlib.blake2b(whole).hexdigest(),
        "SHA512": hashlib.sha512(whole).hexdigest(),
        "MD5": hashlib.md5(whole, usedforsecurity=False).hexdigest(),
        "SHA1": hashlib.sha1(whole, usedforsecurity=False).hexdigest(),
    }


def test_a_base_is_asked_once() -> None:
    assert bases("http://a/", ["http://a", "http://b/x/"]) == ("http://a", "http://b/x")

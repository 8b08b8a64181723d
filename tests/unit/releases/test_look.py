"""A look at many files says the same with the C module and without it, and finds whatever is not as the record says."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portage_ext.releases import blocks
from portage_ext.releases.pool import files
from tests.testkit.compiled import compiled

LOOK = compiled("portage_ext.releases.pool._look")
Others = Callable[[str, bytes], list[bytes]]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files of 1, 2 and 3 bytes from the seconds 1001, 1002 and 1003, and a link to the last."""
    pool = tmp_path_factory.mktemp("pool")
    for number, name in enumerate(("app-misc/foo/foo-1", "app-misc/foo/foo-2", "dev-libs/bar-3"), 1):
        (pool / name).parent.mkdir(parents=True, exist_ok=True)
        (pool / name).write_bytes(b"x" * number)
        os.utime(pool / name, ns=(0, (1000 + number) * 10**9 + 999_999_999))
    (pool / "dev-libs/link").symlink_to("bar-3")
    return pool


@pytest.fixture(params=["compiled", "pure"])
def others(request: pytest.FixtureRequest) -> Others:
    found: Others = LOOK.others if request.param == "compiled" else files._others
    return found


SAID = b"app-misc/foo/foo-1 1 1001\napp-misc/foo/foo-2 2 1002\ndev-libs/bar-3 3 1003\n"


def test_files_that_are_as_they_should_be_are_not_named(pool: Path, others: Others) -> None:
    assert others(str(pool), SAID) == []
    assert others(str(pool), b"") == []


@pytest.mark.parametrize(
    "line",
    [
        "app-misc/foo/foo-1 2 1001",
        "app-misc/foo/foo-1 1 1002",
        "app-misc/foo/foo-1 01 1001",
        "app-misc/foo/foo-1 1 1001 ",
        "app-misc/foo/foo-1 1",
        "app-misc/foo/foo-1",
        "app-misc/foo/foo-4 1 1001",
        "dev-libs/link 3 1003",
        "no-such/foo 1 1001",
        "/app-misc/foo/foo-1 1 1001",
        "app-misc/foo/foo-1\0 1 1001",
        " 1 1001",
        "",
        f"{'x' * 5000} 1 1001",
        "app-misc/foo/foo-1 99999999999999999999999 1001",
    ],
)
def test_any_other_file_and_any_other_line_is_named(pool: Path, others: Others, line: str) -> None:
    record = SAID + line.encode() + b"\n" + SAID
    assert others(str(pool), record) == [line.encode()]


def test_without_a_pool_every_line_is_named(tmp_path: Path, others: Others) -> None:
    assert others(str(tmp_path / "none"), SAID) == SAID.split(b"\n")[:-1]


def test_a_line_that_does_not_end_is_looked_at_too(pool: Path, others: Others) -> None:
    assert others(str(pool), SAID[:-1]) == []
    assert others(str(pool), SAID[:-2]) == [b"dev-libs/bar-3 3 100"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(SAID) - 1), st.binary(max_size=3)), max_size=3))
def test_both_name_the_same(pool: Path, changes: list[tuple[int, bytes]]) -> None:
    record = bytearray(SAID)
    for at, data in changes:
        record[at : at + len(data)] = data
    assert LOOK.others(str(pool), bytes(record)) == files._others(str(pool), bytes(record))


def test_the_pool_needs_no_compiled_module(pool: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "portage_ext.releases.pool._look", None)
    (tmp_path / "pool").symlink_to(pool)
    assert files.Pool(tmp_path).others(SAID.replace(b" 1001", b" 1009")) == ["app-misc/foo/foo-1"]


_LINE = st.sampled_from(
    [b"a/b/c-1 1 1\n", b"a/b/c-2 1 1\n", b"a/b/c-1 2 2\n", b"a/b/c-10 1 1\n", b"a/b/c\n", b"\n", b" 1 1\n", b"\xc3\xa9 1 1\n"]
)


@given(st.lists(_LINE, max_size=40), st.sampled_from([b"", b"a/b", b"a/b/c-1 1 1"]))
def test_as_many_names_are_counted_as_there_are(lines: list[bytes], rest: bytes) -> None:
    record = b"".join(lines) + rest
    counted = LOOK.distinct(record)
    if counted is None:
        assert any(b"\xc3" in line for line in lines)
    else:
        assert counted == len({line.partition(b" ")[0].rstrip(b"\n") for line in lines})


def test_names_of_one_place_in_the_table_are_left_to_python() -> None:
    """Somebody who can write to the tree may choose names so that each takes as many steps as there were before it."""
    mask, names, number = 4095, [], 0
    while len(names) < 80:
        name, total = b"a/%d" % number, 14695981039346656037
        for byte in name:
            total = (total ^ byte) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
        if (total ^ total >> 32) & mask == 0:
            names.append(name)
        number += 1
    record = b"".join(b"%s 1 1\n" % name for name in names)
    assert LOOK.distinct(record) is None or len(names) == LOOK.distinct(record)
    assert blocks.distinct(record) == 80

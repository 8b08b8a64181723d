"""The filtering reader against Portage's own: the same entries for what is wanted, and the whole index in the cache."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from portage.getbinpkg import PackageIndex

from portage_ext.emerge import remote_index
from portage_ext.emerge.remote_index import Filter, FilteredPackageIndex
from portage_ext.policy.getbinpkg import Run

NAMES = ("app-misc/hello", "app-misc/hello-3d-tools", "app-misc/hell", "kde-apps/alpha", "kde-plasma/beta", "dev-libs/libtiny")


class FakeWhitelist:
    """A whitelist by name. The real one needs a Portage configuration and is tested in real emerge."""

    def __init__(self, listed: set[str], on: bool) -> None:
        self.listed, self.run = listed, Run(on)

    def accepts(self, cpv: Any, binrepo: str) -> bool:
        hit = any(cpv.cp == name or (name.endswith("-*/*") and cpv.cp.startswith(name[:-3])) for name in self.listed)
        return hit is not self.run.on


def new_index() -> PackageIndex:
    return PackageIndex(
        allowed_pkg_keys={"CPV", "SLOT", "USE", "repository", "CHOST", "SIZE", "DESCRIPTION", "_mtime_"},
        default_header_data={"CHOST": "", "repository": ""},
        default_pkg_data={"SLOT": "0", "USE": ""},
        inherited_keys=["CHOST", "repository"],
        translated_keys=(("DESCRIPTION", "DESC"), ("_mtime_", "MTIME"), ("repository", "REPO")),
    )


def new_filter(listed: set[str], on: bool = False) -> Filter:
    tree = SimpleNamespace(settings=None, dbapi=None)
    return Filter(FakeWhitelist(listed, on), "tinybin", tree, [])


def make_index(entries: list[tuple[str, str, str]]) -> bytes:
    text = "ARCH: amd64\nCHOST: x86_64-pc-linux-gnu\nTIMESTAMP: 100\nUNKNOWN: kept\n\n"
    for name, version, description in entries:
        text += f"BLAKE2B: 00\nCPV: {name}-{version}\nDESC: {description}\nMTIME: 7\nSIZE: 1\n\n"
    return text.encode()


ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(["1", "1.2-r3", "24.1_p2", "9999"]),
        st.sampled_from(["plain", "CPV: app-misc/hello-1", "naïve\u2028line", "form\x0cfeed", ""]),
    ),
    max_size=12,
)


@given(
    entries=ENTRIES,
    listed=st.sets(st.sampled_from([*NAMES, "kde-*/*"])),
    on=st.booleans(),
    chunk=st.integers(1, 200),
    cached=st.booleans(),
)
def test_differential_same_entries_as_portage_and_the_whole_index_in_the_cache(
    entries: list[tuple[str, str, str]], listed: set[str], on: bool, chunk: int, cached: bool
) -> None:
    data = make_index(entries)
    theirs = new_index()
    theirs.read(io.StringIO(data.decode(), newline="\n"))
    wanted = new_filter(listed, on)
    whitelist = FakeWhitelist(listed, on)
    expected = [d for d in theirs.packages if whitelist.accepts(SimpleNamespace(cp=_cp(d["CPV"])), "")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_index, "INDEX_READ_CHUNK", chunk)
        ours = FilteredPackageIndex(new_index(), wanted)
        if cached:
            with tempfile.NamedTemporaryFile() as file:
                file.write(data)
                file.flush()
                with open(file.name) as opened:
                    ours.read(opened)
            assert ours.packages == expected
        else:
            lines = codecs.iterdecode(gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(data))), "utf-8", errors="replace")
            ours.readHeader(lines)
            ours.readBody(lines)
    assert ours.packages == expected
    assert ours.header == theirs.header
    if not cached:
        out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        ours.modified = False
        ours.header["DOWNLOAD_TIMESTAMP"] = "5"
        ours.write(out)
        again = new_index()
        again.read(io.StringIO(out.buffer.getvalue().decode(), newline="\n"))
        assert again.packages == theirs.packages
        assert again.header == {**theirs.header, "DOWNLOAD_TIMESTAMP": "5"}


def _cp(cpv: str) -> str:
    return max((name for name in NAMES if cpv.startswith(name + "-")), key=len)


def test_lines_that_hide_their_file_are_read_too() -> None:
    data = make_index([("app-misc/hello", "1", "x"), ("app-misc/hell", "1", "x")])
    ours = FilteredPackageIndex(new_index(), new_filter({"app-misc/hell"}))
    lines = iter(io.StringIO(data.decode(), newline="\n"))
    ours.readHeader(lines)
    ours.readBody(lines)
    assert [d["CPV"] for d in ours.packages] == ["app-misc/hell-1"]


def test_entry_without_an_end_costs_the_index_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remote_index, "INDEX_ENTRY_SIZE", 1000)
    monkeypatch.setattr(remote_index, "INDEX_READ_CHUNK", 100)
    file = tmp_path / "Packages"
    file.write_bytes(b"TIMESTAMP: 1\n\n" + b"CPV: app-misc/hello-1" + b"x" * 5000)
    ours = FilteredPackageIndex(new_index(), new_filter({"app-misc/hello"}))
    with open(file) as opened:
        ours.read(opened)
    assert ours.packages == []
    assert "an entry of the index is larger than 1000 bytes" in capsys.readouterr().err
    downloaded = FilteredPackageIndex(new_index(), new_filter({"app-misc/hello"}))
    lines = codecs.iterdecode(io.BytesIO(file.read_bytes()), "utf-8")
    downloaded.readHeader(lines)
    with pytest.raises(OSError, match="larger than 1000 bytes"):  # which Portage reports by itself
        downloaded.readBody(lines)


def test_a_name_of_slashes_alone_is_passed_over_in_no_time() -> None:
    pattern = re.compile(rb"\nCPV: ?(?:" + remote_index.alternatives(["*/*", "sys-libs/*", "*/foo*"]) + rb")-[^\n]*")
    begun = time.process_time()
    assert pattern.search(b"\nCPV: " + b"/" * 30_000) is None
    assert time.process_time() - begun < 0.5
    assert pattern.search(b"\nCPV: app-misc/foo-1\n") is not None

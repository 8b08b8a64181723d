"""The metadata of the largest packages is read, and costs no more memory than it has bytes."""

from __future__ import annotations

import lzma
import tracemalloc
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.errors import DecompressionError, OversizedPackageError
from portage_ext.gpkg.contract import computed_contract
from portage_ext.gpkg.identity import read_texts
from tests.testkit import binpkgs


def test_a_package_with_a_list_of_300000_files_is_read_in_the_memory_of_one_copy(work: Path) -> None:
    path = work / "foo-1-1.gpkg.tar"
    line = "obj /usr/share/texmf-dist/fonts/type1/public/font/{:020d}/Font-Regular.pfb d41d8cd98f00b204e9800998ecf8427e 17\n"
    contents = "".join(map(line.format, range(300_000)))
    values = {**binpkgs.metadata("app-misc/foo-1", BUILD_ID="1"), "CONTENTS": contents.encode()}
    assert len(contents) > 24 * limits.MIB
    path.write_bytes(binpkgs.gpkg(values))
    bound = 1.25 * len(contents) + path.stat().st_size
    del contents, values
    tracemalloc.start()
    try:
        assert read_texts(path, frozenset(("PF", "CATEGORY"))) == {"PF": "foo-1", "CATEGORY": "app-misc"}
        assert tracemalloc.get_traced_memory()[1] < bound
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("part", ["metadata", "image"])
def test_a_dictionary_that_does_not_fit_into_memory_is_named(work: Path, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = work / "foo-1-1.gpkg.tar"
    path.write_bytes(binpkgs.gpkg(compression="xz"))

    class Large:
        def __init__(self, *_: object, **__: object) -> None:
            raise MemoryError

    monkeypatch.setattr(lzma, "LZMADecompressor" if part == "metadata" else "LZMAFile", Large)
    with pytest.raises(DecompressionError, match="memory"):
        computed_contract(path)


def test_a_value_of_an_xpak_package_that_is_refused_is_not_copied(work: Path) -> None:
    path = work / "foo-1.xpak"
    path.write_bytes(binpkgs.xpak({**binpkgs.metadata("app-misc/foo-1"), "USE": b"x" * 32 * limits.MIB}))
    tracemalloc.start()
    try:
        with pytest.raises(OversizedPackageError, match="USE has more than"):
            read_texts(path, frozenset(("PF", "USE")))
        assert tracemalloc.get_traced_memory()[1] < 40 * limits.MIB
    finally:
        tracemalloc.stop()

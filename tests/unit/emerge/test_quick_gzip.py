"""Packages.gz is compressed quickly only where the work after emerge writes it again, and says the same."""

from __future__ import annotations

import gzip
import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from portage_ext.emerge import patching

TEXT = b"".join(b"CPV: app-misc/p%d-1\nDESCRIPTION: A package\nKEYWORDS: amd64\n\n" % number for number in range(2000))


@pytest.fixture
def compressed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What Portage writes, by whether the run has left a mark; None: it has not even looked."""
    from portage.dbapi import bintree

    from portage_ext.emerge import quick_gzip

    def written(marked: bool | None) -> bytes:
        after = None if marked is None else SimpleNamespace(marked=lambda: marked)
        monkeypatch.setitem(sys.modules, "portage_ext.emerge.after", after)
        file = io.BytesIO()
        with patching.applied(quick_gzip._PATCHES):
            with bintree.GzipFile(filename="", mode="wb", fileobj=file, mtime=5) as opened:
                opened.write(TEXT)
            assert bintree.GzipFile(fileobj=io.BytesIO(file.getvalue()), mode="rb").read() == TEXT
        return file.getvalue()

    return written


def test_it_is_quick_in_a_run_that_left_a_mark(compressed: Any) -> None:
    made = compressed(True)
    assert made == gzip.compress(TEXT, 1, mtime=5)
    assert gzip.decompress(made) == TEXT


@pytest.mark.parametrize("marked", [False, None])
def test_it_is_as_usual_in_another_run(compressed: Any, marked: bool | None) -> None:
    assert compressed(marked) == gzip.compress(TEXT, 9, mtime=5)

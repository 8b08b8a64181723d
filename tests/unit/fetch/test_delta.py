"""A delta that cannot be used costs one line; the real ones are in tests/system/publish/test_deltas.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.config.settings import Settings
from portage_ext.errors.deltas import DeltaError
from portage_ext.errors.trust import NotFoundError
from portage_ext.fetch import delta
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.mirrors import Transports
from portage_ext.fetch.package import Wanted
from portage_ext.model import IndexEntry
from portage_ext.trust.memory import StateDirectory


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DeltaError("p", "no zstd"), "no zstd"),
        (NotFoundError("http://h/p", "404"), "404"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (KeyError("CPV"), "a defect of portage-ext: KeyError: 'CPV'"),
        (RecursionError("too deep"), "a defect of portage-ext: RecursionError: too deep"),
    ],
)
def test_whatever_fails_the_whole_file_is_still_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def fails(making: delta._Making) -> None:
        making.output.write_bytes(b"half")
        raise error

    monkeypatch.setattr(delta._Making, "made", fails)
    (tmp_path / "p-1.gpkg.tar").write_bytes(b"older")
    lines: list[str] = []
    binrepo = Binrepo(
        "lab", "http://127.0.0.1:9", Settings(), tmp_path, StateDirectory(tmp_path, "lab"), Transports(), lines.append, print
    )
    output = tmp_path / "p-2.gpkg.tar"
    wanted = Wanted("http://127.0.0.1:9", "c/p-2.gpkg.tar", IndexEntry({"SIZE": "9"}), bound=True, deltas="x")
    assert delta.attempt(binrepo, wanted, output) is None
    assert lines == [f"c/p-2.gpkg.tar: cannot be made from an older package ({told}); fetching the whole file"]
    assert not output.exists()

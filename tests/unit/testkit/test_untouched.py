"""The guard of tests/conftest.py sees whatever a test does to the machine."""

from __future__ import annotations

from pathlib import Path

from tests.testkit.untouched import changes, state


def test_what_is_made_written_and_removed_is_seen(tmp_path: Path) -> None:
    place = tmp_path / "portage"
    before = state([place])
    assert before == {}
    place.mkdir()
    assert changes(before, state([place])) == [str(place)]
    (place / "made").write_text("x")
    before = state([place])
    assert changes(before, state([place])) == []
    (place / "made").write_text("other")
    assert changes(before, state([place])) == [str(place / "made")]
    before = state([place])
    (place / "made").unlink()
    assert changes(before, state([place])) == [str(place), str(place / "made")]

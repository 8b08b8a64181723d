"""Counts, sizes and times in words."""

from __future__ import annotations

from portage_ext import words


def test_one_is_one_and_all_else_are_many() -> None:
    assert [words.counted(count) for count in (0, 1, 2)] == ["0 packages", "1 package", "2 packages"]
    assert words.counted(1, "key") == "1 key"


def test_sizes() -> None:
    sizes = (0, 1, 1023, 1024, 1536 * 1024, 5 << 30)
    assert list(map(words.size, sizes)) == ["0 bytes", "1 byte", "1023 bytes", "1.0 KiB", "1.5 MiB", "5.0 GiB"]


def test_times_are_utc() -> None:
    assert words.day(1_700_000_000) == "2023-11-14"
    assert words.minute(1_700_000_000) == "2023-11-14 22:13 UTC"
    assert words.second(1_700_000_000) == "2023-11-14 22:13:20 UTC"


def test_lengths_of_time() -> None:
    assert [words.spell(one) for one in (1, 119, 120, 7200, 2 * 86400)] == ["1 s", "119 s", "2 min", "2 h", "2 days"]

"""A missed want is told as missed, and the table takes the place of the one before."""

from __future__ import annotations

from pathlib import Path

from bench.wanted import BEGIN, END, Want, document, put


def test_a_want_is_met_on_its_own_side() -> None:
    assert Want("ratio", "1 s", "30 s", 30.0, 30, " times").met
    assert not Want("ratio", "1 s", "29 s", 29.9, 30, " times").met
    assert Want("seconds", "0.7 s", "", 0.7, 0.7, " s", most=True).met
    assert not Want("seconds", "0.8 s", "", 0.8, 0.7, " s", most=True).met
    assert Want("ratio", "1 s", "29 s", 29.94, 30, " times").row() == ("ratio", "1 s", "29 s", "29.9 times", "≥ 30 times", "NO")
    assert Want("adds", "a", "b", 0.1234, 0.3, " s", most=True).row()[3:] == ("0.123 s", "≤ 0.3 s", "yes")


def test_the_table_stands_behind_the_heading_and_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "figures.md"
    file.write_text("# Figures\n\nText.\n")
    first, second = (document([Want(name, "1", "2", 2.0, 1)], "today") for name in ("first", "second"))
    put(file, first)
    assert file.read_text() == f"# Figures\n\n{first}\n\nText.\n"
    put(file, second)
    text = file.read_text()
    assert text == f"# Figures\n\n{second}\n\nText.\n"
    assert text.count(BEGIN) == text.count(END) == 1

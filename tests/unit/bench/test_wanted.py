"""A missed want is told as missed, and the table takes the place of the one before."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.wanted import BEGIN, END, HEADING, NOT_MEASURED, Want, document, missed, put, rows, unmeasured

THIRTY = Want("ratio", "1 s", "30 s", 30.0, 30, " times")
LESS = Want("ratio", "1.1 s", "30 s", 27.3, 30, " times")
LOST = Want("ratio", "", "no such program", None, 30, " times")


def test_a_want_is_met_on_its_own_side() -> None:
    assert THIRTY.met
    assert not Want("ratio", "1 s", "29 s", 29.9, 30, " times").met
    assert Want("seconds", "0.7 s", "", 0.7, 0.7, " s", most=True).met
    assert not Want("seconds", "0.8 s", "", 0.8, 0.7, " s", most=True).met
    (row,) = rows([[Want("ratio", "1 s", "29 s", 29.94, 30, " times")]])
    assert row == ("ratio", "1 s", "29 s", "29.9 times", "≥ 30 times", "NO")
    assert rows([[Want("adds", "a", "b", 0.1234, 0.3, " s", most=True)]])[0][3:] == ("0.123 s", "≤ 0.3 s", "yes")


def test_a_want_that_was_not_measured_is_missed_and_says_why() -> None:
    assert not LOST.met
    assert rows([[LOST]]) == [("ratio", "", "no such program", NOT_MEASURED, "≥ 30 times", "NO")]
    assert missed([[LOST]]) == unmeasured([[LOST]]) == ["ratio"]
    assert not Want("seconds", "", "", None, 0.5, most=True).met


def test_a_comparison_has_no_want_to_miss() -> None:
    peer, absent = Want("peer", "1 s", "2 s", 2.0, unit=" times"), Want("other peer", "1 s", "not installed", None)
    assert rows([[peer, absent]]) == [
        ("peer", "1 s", "2 s", "2 times", "", ""),
        ("other peer", "1 s", "not installed", NOT_MEASURED, "", ""),
    ]
    assert missed([[peer, absent]]) == []
    assert unmeasured([[peer, absent]]) == ["other peer"]


@pytest.mark.parametrize(
    ("figures", "shown", "middle", "met"),
    [
        ([THIRTY, THIRTY, THIRTY], "30 / 30 / 30 times", "1 s", "yes"),
        ([THIRTY, LESS, LESS], "30 / 27.3 / 27.3 times", "1.1 s", "1 of 3"),
        ([LESS, LOST, LESS], f"27.3 / {NOT_MEASURED} / 27.3 times", "1.1 s", "NO"),
    ],
)
def test_several_rounds_show_each_figure_and_are_met_when_all_are(
    figures: list[Want], shown: str, middle: str, met: str
) -> None:
    rounds = [[want] for want in figures]
    assert rows(rounds) == [("ratio", middle, "30 s", shown, "≥ 30 times", met)]
    assert missed(rounds) == ([] if met == "yes" else ["ratio"])


def test_a_row_that_a_round_lacks_was_not_measured_there() -> None:
    other = Want("other", "1 s", "", 1.0, 2, " s", most=True)
    rounds = [[THIRTY, other], [THIRTY]]
    assert missed(rounds) == unmeasured(rounds) == ["other"]
    assert rows(rounds)[1] == ("other", "1 s", "", f"1 / {NOT_MEASURED} s", "≤ 2 s", "1 of 2")


def test_figures_have_three_digits_and_are_never_powers_of_ten() -> None:
    shown = [Want("bytes", "", "", figure).shown for figure in (1073.2, 300, 0.01234, -0.0567, 0)]
    assert shown == ["1,070", "300", "0.0123", "-0.0567", "0"]


def test_the_table_stands_behind_the_heading_and_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "figures.md"
    file.write_text("# Figures\n\nText.\n")
    first, second = (document([[Want(name, "1", "2", 2.0, 1)]], ["today", "here"]) for name in ("first", "second"))
    put(file, first)
    assert file.read_text() == f"# Figures\n\n{first}\n\nText.\n"
    put(file, second)
    text = file.read_text()
    assert text == f"# Figures\n\n{second}\n\nText.\n"
    assert text.count(BEGIN) == text.count(END) == 1


def test_the_block_is_markdown_with_what_it_was_measured_on() -> None:
    lines = document([[THIRTY]], ["today", "here"]).splitlines()
    assert lines[0] == BEGIN
    assert lines[1:4] == ["today", "here", ""]
    assert lines[4] == "| " + " | ".join(HEADING) + " |"
    assert lines[6:] == ["| ratio | 1 s | 30 s | 30 times | ≥ 30 times | yes |", END]

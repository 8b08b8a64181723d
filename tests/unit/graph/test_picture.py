"""The picture fits, shows every running package, and no edge that is not in the graph."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portage_ext.graph.line import ASCII, UNICODE
from portage_ext.graph.picture import Picture
from portage_ext.graph.plan import Kind, Moment, Node, Plan, Running
from tests.unit.graph.plans import moments, plans

SIGNS = st.sampled_from((ASCII, UNICODE))


def plan(**needs: str) -> Plan:
    """``plan(a="", b="a")``: packages in merge order, each with the names of what it needs."""
    places = {name: place for place, name in enumerate(needs)}
    edges = tuple(tuple(places[one] for one in below.split()) for below in needs.values())
    return Plan(tuple(Node(f"dev-libs/{name}-1.0", seconds=60) for name in needs), edges)


def drawn(of: Plan, moment: Moment, width: int = 80, height: int = 12) -> list[str]:
    return [line.text() for line in Picture(of).lines(moment, width, height, UNICODE)]


DIAMOND = plan(a="", b="a", c="a", d="b c a", e="d", f="d", g="e", h="g")


@given(st.data(), plans(), st.integers(0, 200), st.integers(0, 30), SIGNS)
def test_never_wider_nor_higher_than_it_may_be(data: st.DataObject, of: Plan, width: int, height: int, sign: object) -> None:
    moment = data.draw(moments(of))
    lines = Picture(of).lines(moment, width, height, sign)  # type: ignore[arg-type]
    assert len(lines) <= max(0, height)
    assert all(line.width <= width for line in lines)


@given(st.data(), plans(), st.integers(80, 200))
def test_every_running_package_has_a_block_where_there_is_a_line_for_each(data: st.DataObject, of: Plan, width: int) -> None:
    moment = data.draw(moments(of))
    text = "\n".join(line.text() for line in Picture(of).lines(moment, width, 1 + len(moment.running), UNICODE))
    for one in moment.running:
        pf = of.nodes[one.package].cpv.partition("/")[2]
        assert f"▶ {pf[:11]}" in text


def test_what_is_needed_is_left_and_who_needs_it_is_right() -> None:
    moment = Moment(100.0, (Running(3, "compile", 70.0),), frozenset({0, 1, 2}), jobs=2)
    assert drawn(DIAMOND, moment) == [
        "3 of 8 done, about 4 min left  ━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌",
        "             c ✓ ─┬─ ▶ d-1.0 compile 0:30/~1:00             ─┬▸ e",
        "             b ✓ ─┘                                          └▸ f",
    ]


def test_in_40_columns_the_sides_are_below() -> None:
    moment = Moment(100.0, (Running(3, "compile", 70.0),), frozenset({0, 1, 2}), frozenset({7}), (4,), 2)
    assert drawn(DIAMOND, moment, 40) == [
        "3 of 8 done, 1 failed, about 2 min left",
        "▶ d-1.0 compile 0:30/~1:00",
        "  for e, f",
        "  needs c, b",
    ]


def test_the_lines_of_a_block_go_to_others_before_any_running_package_is_pushed_off() -> None:
    moment = Moment(100.0, tuple(Running(place, "compile", float(place)) for place in (1, 2, 3)), frozenset({0}))
    text = "\n".join(drawn(DIAMOND, moment, height=4))
    assert [f"{name}-1.0" in text for name in "bcd"] == [True] * 3
    packed = drawn(DIAMOND, moment, height=2)
    assert len(packed) == 2
    assert [f"{name}-1.0" in packed[1] for name in "bcd"] == [True] * 3


def test_what_does_not_fit_is_counted() -> None:
    names = {f"n{number:02d}": "a" for number in range(20)}
    lines = drawn(plan(a="", **names), Moment(9.0, (Running(0, "compile", 8.0),)), height=4)
    assert lines[1].endswith("▸ n00")
    assert lines[3].endswith("▸ +18")
    assert drawn(plan(a="", **names), Moment(9.0, (Running(0, "compile", 8.0),)), height=2)[1].endswith("▸ n00 +19")


def test_two_packages_of_one_name_are_told_apart() -> None:
    nodes = (Node("dev-libs/x-1"), Node("app-misc/x-1"), Node("dev-libs/y-1"), Node("dev-libs/y-2"), Node("dev-libs/z-1-r1"))
    assert Picture(Plan(nodes, ((),) * 5)).names == ["dev-libs/x", "app-misc/x", "dev-libs/y-1", "dev-libs/y-2", "z"]


def test_colours_change_no_column() -> None:
    moment = Moment(100.0, (Running(3, "compile", 70.0),), frozenset({0, 1}), frozenset({2}))
    lines = Picture(DIAMOND).lines(moment, 80, 8, ASCII)
    assert "\033[31m" in "".join(line.painted() for line in lines)
    for line in lines:
        plain = line.painted()
        for code in ("0", "1", "2", "31", "32", "35"):
            plain = plain.replace(f"\033[{code}m", "")
        assert plain.rstrip() == line.text()


def test_without_known_times_nothing_is_estimated() -> None:
    nodes = (Node("dev-libs/x-1", Kind.BINARY),)
    assert drawn(Plan(nodes, ((),)), Moment(5.0, (Running(0, "fetch", 1.0),)))[1].split() == ["▶", "x-1", "fetch", "0:04"]

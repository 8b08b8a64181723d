"""What keys do, and that what is seen always fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portage_ext.graph.line import ASCII, UNICODE
from portage_ext.graph.plan import Moment, Node, Plan, Running
from portage_ext.watch.browser import HELP, Browser
from portage_ext.watch.sources import Emerge
from tests.unit.graph.plans import moments, plans

KEYS = ("up", "down", "page-up", "page-down", "home", "end", "return", "tab", "escape", "back", "/", "n", "f", "a", "x")


def emerge(count: int, *running: int, pid: int = 7) -> Emerge:
    plan = Plan(tuple(Node(f"dev-libs/p{place:04d}-1") for place in range(count)), ((),) * count)
    return Emerge(pid, plan, Moment(9.0, tuple(Running(one, "compile", 1.0, f"/log{one}") for one in running)))


def seen(browser: Browser, *emerges: Emerge, height: int = 12) -> list[str]:
    return [line.text() for line in browser.lines(emerges, 79, height, UNICODE)]


def press(browser: Browser, *keys: str, of: Emerge) -> Browser:
    for key in keys:
        browser.press(key, [of])
    return browser


@given(st.data(), plans(), st.lists(st.sampled_from(KEYS), max_size=12), st.integers(0, 90), st.integers(0, 30))
def test_whatever_is_pressed_what_is_seen_fits(
    data: st.DataObject, plan: Plan, keys: list[str], width: int, height: int
) -> None:
    emerges = [Emerge(7, plan, data.draw(moments(plan)))]
    browser = Browser()
    for key in keys:
        browser.press(key, emerges)
        lines = browser.lines(emerges, width, height, ASCII, ["x\033[2J" * 40] * 50)
        assert len(lines) <= max(0, height)
        assert all(line.width <= width and "\033" not in line.text() for line in lines)


def test_a_large_plan_scrolls_to_its_end() -> None:
    of = emerge(2000, 5)
    assert any("p0005-1" in line for line in seen(Browser(), of))
    lines = seen(press(Browser(), "end", of=of), of)
    assert ">  dev-libs/p1999-1" in lines
    assert len(lines) == 12


def test_a_package_is_found_from_where_one_is_and_around() -> None:
    of = emerge(2000, 5)
    browser = press(Browser(), "/", *"P0142", "return", of=of)
    assert browser.place == 142
    assert press(browser, "end", "/", *"p00", "return", of=of).place == 0
    assert press(browser, "n", of=of).place == 1
    assert press(browser, "/", *"nowhere", "return", of=of).place == 1
    assert seen(browser, of)[-1] == "no package in this list has nowhere in its name"
    assert seen(press(browser, "up", of=of), of)[-1] == HELP


def test_return_opens_the_log_of_a_running_package_and_nothing_else() -> None:
    of = emerge(20, 5)
    assert press(Browser(), "end", "return", of=of).log == ""
    browser = press(Browser(place=5), "return", of=of)
    assert browser.log == "/log5"
    assert [line.text() for line in browser.lines([of], 40, 3, ASCII, ["one", "two", "three"])] == ["/log5", "two", "three"]
    assert press(browser, "escape", of=of).log == ""


def test_tab_goes_around_among_emerges_and_none_is_said() -> None:
    one, two = emerge(3, 1, pid=11), emerge(3, 2, pid=22)
    browser = Browser()
    assert seen(browser, one, two)[0] == "emerge[11] (1 of 2)"
    browser.press("tab", [one, two])
    assert seen(browser, one, two)[0] == "emerge[22] (2 of 2)"
    assert seen(browser, one)[0] == "emerge[11]"
    assert seen(browser) == ["nothing is running; q ends"]
    browser.press("q", [])
    assert browser.ended


def test_the_keys_are_on_the_screen() -> None:
    assert seen(Browser(), emerge(3, 1))[-1] == HELP

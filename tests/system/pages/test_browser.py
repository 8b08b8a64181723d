"""The pages in real Chromium: found, read, followed, on small and dark screens, by keyboard; hostile metadata does nothing."""

from __future__ import annotations

import pytest

from tests.system.pages.conftest import Binhost
from tests.testkit.browser import DOWN, ENTER, ESCAPE, Browser

PAGES = (
    "index.html", "releases.html", "setup.html", "releases/3.html", "categories/x11-libs.html", "packages/net-misc/curl.html",
    "packages/app-misc/evil.html", "index.html#q=lib",
)  # fmt: skip


def results(browser: Browser) -> list[str]:
    return browser.texts("#results a")


def search(browser: Browser, binhost: Binhost, text: str) -> list[str]:
    """What a person gets who types ``text``; also that the details of each result have come."""
    browser.open(f"{binhost.base}/index.html")
    browser.type("#q", text)
    browser.until("document.querySelector('#count').textContent")
    browser.until("[...document.querySelectorAll('#results .row')].every((one) => one.childElementCount)")
    return results(browser)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("curl", ["net-misc/curl"]),
        ("SSL", ["dev-libs/openssl"]),
        ("sys-libs/", ["sys-libs/zlib"]),
        ("use:http2", ["net-misc/curl"]),
        ("use:static-libs zlib", ["sys-libs/zlib"]),
        ("x11-libs/ 07", ["x11-libs/lib07widget"]),
        ("use:nothing", []),
        ("<script>", []),
    ],
)
def test_a_search_finds_names_categories_and_flags(browser: Browser, binhost: Binhost, text: str, found: list[str]) -> None:
    assert search(browser, binhost, text) == found


def test_a_result_shows_version_date_size_flags_and_licence(browser: Browser, binhost: Binhost) -> None:
    search(browser, binhost, "openssl")
    told = browser.text("#results li")
    for part in ("dev-libs/openssl", "TLS and cryptography", "3.0.1:0/3", "2023-11-14", "KiB", "Apache-2.0", "asm zlib"):
        assert part in told, told
    assert browser.text("#count") == "1 package"


def test_many_results_come_in_parts_and_the_keyboard_goes_through_them(browser: Browser, binhost: Binhost) -> None:
    assert len(search(browser, binhost, "widget")) == 40
    browser.script("document.querySelector('#more').click()")
    assert len(results(browser)) == 60
    browser.script("document.querySelector('#q').focus()")
    browser.press(DOWN + DOWN)
    assert browser.script("return document.activeElement.textContent") == results(browser)[1]
    browser.press(ENTER)
    assert browser.until("document.querySelector('h1')?.textContent.startsWith('x11-libs/lib')")
    browser.press("/")  # from any page to the search
    assert browser.until("document.activeElement.id === 'q'")
    browser.press("curl")
    browser.until("document.querySelectorAll('#results li').length === 1")
    browser.press(ESCAPE)
    browser.until("document.querySelector('#results').hidden && !document.querySelector('#overview').hidden")


def test_a_package_page_has_the_lines_the_contract_and_who_needs_it(browser: Browser, binhost: Binhost) -> None:
    browser.open(f"{binhost.base}/index.html")
    for link in ("dev-libs", "openssl"):
        browser.script("[...document.querySelectorAll('main a')].find((one) => one.textContent === arguments[0]).click()", link)
        browser.until(f"document.querySelector('h1').textContent.includes('{link}')")
    assert browser.texts("pre.do") == ["dev-libs/openssl  getbinpkg.conf", "emerge --ask dev-libs/openssl"]
    assert "libc.so.6" in browser.text(".libs")
    assert "GLIBC_2.34" in browser.text(".libs")
    assert browser.texts("section[aria-labelledby=needed] a") == ["net-misc/curl"]
    browser.script("document.querySelector('section[aria-labelledby=needed] a').click()")
    browser.until("document.querySelector('h1').textContent === 'net-misc/curl'")
    assert [one.split()[0] for one in browser.texts("tbody tr th .v")] == ["8.10", "8.9"]


def test_a_release_shows_what_changed_in_it(browser: Browser, binhost: Binhost) -> None:
    browser.open(f"{binhost.base}/releases.html")
    assert browser.texts("tbody th") == ["3", "2", "1"]
    assert len(browser.texts("figure svg")) == 3
    browser.script("document.querySelector('tbody th a').click()")
    browser.until("document.querySelector('h1').textContent === 'Release 3'")
    assert ["app-misc/going-1" in one for one in browser.texts(".removed li")] == [True]
    (rebuilt,) = browser.texts(".rebuilt li")
    assert "sys-libs/zlib-1.3" in rebuilt
    assert "USE +static-libs" in rebuilt


def test_the_feed_is_announced_and_every_entry_leads_to_a_page(browser: Browser, binhost: Binhost) -> None:
    browser.open(f"{binhost.base}/index.html")
    links = browser.script("""
        const address = document.querySelector('link[rel=alternate]').href;
        const request = new XMLHttpRequest();
        request.open('GET', address, false);
        request.send();
        const feed = new DOMParser().parseFromString(request.responseText, 'application/xml');
        return [...feed.querySelectorAll('entry link')].map((one) => new URL(one.getAttribute('href'), address).href);
    """)
    assert links == [f"{binhost.base}/releases/{number}.html" for number in (3, 2, 1)]
    for link in links:
        browser.open(link)
        assert browser.text("h1").startswith("Release ")


def test_the_set_up_command_has_the_key_and_the_url_of_this_channel(browser: Browser, binhost: Binhost) -> None:
    browser.open(f"{binhost.base}/setup.html")
    channel = binhost.base.removesuffix("/pages")
    assert browser.texts("pre.do")[0].startswith(f"portage-ext setup --role client --binhost {channel} ")
    assert "0123456789ABCDEF0123456789ABCDEF01234567" in browser.texts("pre.do")[0]
    assert browser.text(".key").replace(" ", "") == "0123456789ABCDEF0123456789ABCDEF01234567"


@pytest.mark.parametrize("page", PAGES)
def test_every_page_fits_360_pixels_and_has_no_serious_barrier(browser: Browser, binhost: Binhost, page: str) -> None:
    for width, dark in ((1280, False), (360, True)):
        browser.look(width=width, dark=dark)
        browser.open(f"{binhost.base}/{page}")
        if "#q=" in page:
            browser.until("document.querySelectorAll('#results .flags > *').length > 30")
        assert browser.script("return document.documentElement.scrollWidth") <= width
        assert browser.axe() == [], (page, width)


def test_dark_and_light_follow_the_preference(browser: Browser, binhost: Binhost) -> None:
    seen = []
    for dark in (False, True):
        browser.look(dark=dark)
        browser.open(f"{binhost.base}/index.html")
        colours = browser.script(
            "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor].map("
            "(one) => one.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0))"
        )
        seen.append(colours[0] > colours[1])
    assert seen == [False, True]


def test_hostile_metadata_is_only_text(browser: Browser, binhost: Binhost) -> None:
    for page in ("packages/app-misc/evil.html", "releases/1.html", "packages/sys-libs/zlib.html", "index.html#q=evil"):
        browser.open(f"{binhost.base}/{page}")
        if "#" in page:
            browser.until("document.querySelector('#results .flags')?.childElementCount")
        assert browser.script("return document.title") != "taken"
        assert browser.script("return document.querySelectorAll('script, img').length") == 1  # search.js
        whole = browser.script("return document.documentElement.textContent")
        assert "\u202e" not in whole
        assert "\x1b" not in whole
    browser.open(f"{binhost.base}/packages/app-misc/evil.html")
    assert '<script>document.title="taken"</script>' in browser.text("main")


def test_nothing_is_asked_of_other_hosts_and_a_first_view_is_small(browser: Browser, binhost: Binhost) -> None:
    browser.open(f"{binhost.base}/index.html")
    loaded = browser.script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert all(one.startswith(binhost.base) for one in loaded)
    assert not any("/search/" in one for one in loaded)
    sizes = "['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind)).map((one) => one.decodedBodySize)"
    seen = browser.script(f"return {sizes}")
    assert len(seen) > 1
    assert 0 < sum(seen) < 200_000


def test_lists_work_without_scripts(browser: Browser, binhost: Binhost) -> None:
    browser.scripting(False)
    try:
        browser.open(f"{binhost.base}/index.html")
        source = browser.ask("GET", "/source")
        assert "The search needs JavaScript" in source
        shown = browser.ask("POST", "/elements", using="css selector", value="#overview a")
        assert len(shown) >= 8
        form = browser.ask("POST", "/element", using="css selector", value="#search")
        assert browser.ask("GET", f"/element/{next(iter(form.values()))}/displayed") is False
    finally:
        browser.scripting(True)

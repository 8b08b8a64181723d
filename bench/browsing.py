"""How fast a browser shows pages and searches them: Chromium without a screen, over the server of `portage-ext serve`."""

from __future__ import annotations

import statistics
import threading
from pathlib import Path

from portage_ext.releases.serve import make_server
from tests.testkit import browser

RUNS = 7
_FIRST = """
    const page = performance.getEntriesByType('navigation')[0];
    const all = [page, ...performance.getEntriesByType('resource')];
    const paint = performance.getEntriesByName('first-contentful-paint')[0];
    return [page.loadEventEnd, paint ? paint.startTime : 0, all.reduce((sum, one) => sum + one.transferSize, 0)];
"""
_SEARCH = """
    const done = arguments[arguments.length - 1], field = document.getElementById('q');
    const rows = () => [...document.querySelectorAll('#results .row')];
    const started = performance.now();
    const look = () => {
        if (rows().length && rows().every((one) => one.childElementCount)) {
            watcher.disconnect();
            done([performance.now() - started, rows().length]);
        }
    };
    const watcher = new MutationObserver(look);
    watcher.observe(document.body, { subtree: true, childList: true });
    field.value = arguments[0];
    field.dispatchEvent(new Event('input'));
"""


def figures(work: Path, number: int) -> list[list[str]]:
    """Rows of the table for the pages of release ``number`` in ``work``."""
    with make_server(work, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with browser.running() as window:
                return _measured(window, f"http://127.0.0.1:{server.server_address[1]}/{number}/pages/index.html")
        finally:
            server.shutdown()
            thread.join()


def _measured(window: browser.Browser, url: str) -> list[list[str]]:
    views, first, again = [], [], []
    for _ in range(RUNS):
        window.command("Network.clearBrowserCache")
        window.open(url)
        window.until("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
        views.append(window.script(_FIRST))
        first.append(window.ask("POST", "/execute/async", script=_SEARCH, args=["gtk"])[0])
        again.append(window.ask("POST", "/execute/async", script=_SEARCH, args=["mail"])[0])
    return [
        ["first view: bytes", f"{max(one[2] for one in views):,.0f}"],
        ["first view: loaded", f"{statistics.median(one[0] for one in views):.0f} ms"],
        ["first view: something painted", f"{statistics.median(one[1] for one in views):.0f} ms"],
        ["first search, all names loaded, 40 results with details", f"{statistics.median(first):.0f} ms"],
        ["another search", f"{statistics.median(again):.0f} ms"],
    ]

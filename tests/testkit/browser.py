"""Chromium without a screen, driven over WebDriver (W3C) by Debian's chromedriver: what a person would see of a page.

Only HTTP and JSON, so that no further library is needed. Errors that pages log are kept: a refused script or style shows in
nothing else.
"""

from __future__ import annotations

import base64
import contextlib
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from tests.testkit import environments

AXE: Final = "axe-core@4.14.1"
FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--window-size=1280,900",
)  # fmt: skip
ENTER: Final = "\ue007"
ESCAPE: Final = "\ue00c"
DOWN: Final = "\ue015"
_SECONDS: Final = 30
_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"


class BrowserError(Exception):
    """What the driver says went wrong."""


@dataclass(slots=True)
class Browser:
    """One window. ``until`` waits for a condition in the page, within a bound."""

    session: str

    def ask(self, method: str, path: str, **values: Any) -> Any:
        answer = requests.request(method, f"{self.session}{path}", json=values if method == "POST" else None, timeout=120)
        value = answer.json()["value"]
        if isinstance(value, dict) and "error" in value:
            raise BrowserError(f"{value['error']}: {value['message']}")
        return value

    def open(self, url: str) -> None:
        """Load a page from the start: two addresses that differ only behind ``#`` would be one page to the browser."""
        self.ask("POST", "/url", url="about:blank")
        self.ask("POST", "/url", url=url)

    def script(self, text: str, *given: Any) -> Any:
        """The value of a function's body in the page."""
        return self.ask("POST", "/execute/sync", script=text, args=list(given))

    def until(self, condition: str) -> Any:
        """The value of an expression of the page as soon as it is true, looked at whenever the page changes."""
        text = """
            const done = arguments[arguments.length - 1];
            const look = () => { const found = %s; if (found) { watcher.disconnect(); done(found); } };
            const watcher = new MutationObserver(look);
            watcher.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
            look();
        """
        return self.ask("POST", "/execute/async", script=text % condition, args=[])

    def type(self, selector: str, keys: str) -> None:
        found = self.ask("POST", "/element", using="css selector", value=selector)[_ELEMENT]
        self.ask("POST", f"/element/{found}/value", text=keys)

    def press(self, keys: str) -> None:
        """Keys for whatever has the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def text(self, selector: str = "body") -> str:
        """The text as it is laid out."""
        return str(self.script("return document.querySelector(arguments[0]).innerText", selector))

    def texts(self, selector: str) -> list[str]:
        return list(self.script("return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText)", selector))

    def command(self, name: str, **values: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.ask("POST", "/goog/cdp/execute", cmd=name, params=values)

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Another window and another preference of colours, for all pages from now on."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.command("Emulation.setEmulatedMedia", features=scheme)

    def scripting(self, allowed: bool) -> None:
        """Whether pages may run scripts; those of tests still may not, then: use ``command("Page.…")`` or ``source``."""
        self.command("Emulation.setScriptExecutionDisabled", value=not allowed)

    def complaints(self) -> list[str]:
        """What the pages have logged as errors since the last time: refused resources, exceptions."""
        return [one["message"] for one in self.ask("POST", "/se/log", type="browser") if one["level"] == "SEVERE"]

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))

    def axe(self) -> list[str]:
        """What axe finds that is serious or worse, with the rule and the place."""
        source = (environments.javascript(AXE) / "axe.min.js").read_text()
        self.script(source)
        found = self.ask(
            "POST",
            "/execute/async",
            script="const done = arguments[arguments.length - 1]; axe.run(document).then(done, (error) => done(`${error}`))",
            args=[],
        )
        if isinstance(found, str):
            raise BrowserError(found)
        return [
            f"{one['id']}: {one['help']}: {[place['html'][:120] for place in one['nodes'][:3]]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]


@contextlib.contextmanager
def running() -> Iterator[Browser]:
    """A browser with an empty profile; it ends with the block."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or chromium is None:
        raise BrowserError("chromium and chromedriver are not installed")
    with tempfile.TemporaryDirectory(prefix="pe-chromium-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        browser = None
        try:
            assert process.stdout is not None
            port = next(match[1] for line in process.stdout if (match := re.search(r"successfully on port (\d+)", line)))
            options = {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={profile}"]}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            base = f"http://127.0.0.1:{port}/session"
            answer = requests.post(base, json={"capabilities": {"alwaysMatch": wanted}}, timeout=120).json()["value"]
            if "sessionId" not in answer:
                raise BrowserError(str(answer.get("message", answer)))
            browser = Browser(f"{base}/{answer['sessionId']}")
            browser.ask("POST", "/timeouts", script=_SECONDS * 1000, pageLoad=_SECONDS * 1000)
            yield browser
        finally:
            if browser is not None:
                with contextlib.suppress(requests.RequestException, BrowserError):
                    browser.ask("DELETE", "")
            process.send_signal(signal.SIGTERM)
            process.communicate()

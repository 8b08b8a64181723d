"""The terminal is always restored to its earlier modes, whether `portage-ext watch` ends by a key, a signal or an error.

This module reads keys and draws on the alternate screen.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from portage_ext.errors.watching import WatchFileError
from portage_ext.graph.line import signs
from portage_ext.limits import views as limits
from portage_ext.watch.browser import Browser
from portage_ext.watch.sources import Emerge, Watched, bounded

_KEYS: Final = {
    "\033[A": "up",
    "\033[B": "down",
    "\033OA": "up",
    "\033OB": "down",
    "\033[5~": "page-up",
    "\033[6~": "page-down",
    "\033[H": "home",
    "\033[F": "end",
    "\033[1~": "home",
    "\033[4~": "end",
    "\r": "return",
    "\n": "return",
    "\t": "tab",
    "\033": "escape",
    "\177": "back",
    "\b": "back",
}
_ENTER, _LEAVE, _HOME, _LINE, _REST = "\033[?1049h\033[?25l", "\033[?25h\033[?1049l", "\033[H", "\033[K\r\n", "\033[K\033[J"


def follow(watched: Watched, pid: int | None, out: TextIO) -> None:
    """Show ``watched`` until the user quits. ``out`` and standard input must be the terminal."""
    browser = Browser()
    with _terminal(out):
        emerges: list[Emerge] = []
        while not browser.ended:
            emerges = [one for one in watched.running() if pid in (None, one.pid)]
            _draw(browser, emerges, out)
            for key in _keys(limits.WATCH_SECONDS):
                browser.press(key, emerges)


def _draw(browser: Browser, emerges: list[Emerge], out: TextIO) -> None:
    size = os.get_terminal_size(out.fileno())
    tail = _tail(browser.log) if browser.log else []
    lines = browser.lines(emerges, size.columns - 1, size.lines, signs(os.environ), tail)
    plain = bool(os.environ.get("NO_COLOR"))
    text = _LINE.join(line.text() if plain else line.painted() for line in lines)
    out.write(f"{_HOME}{text}{_REST}")
    out.flush()


def _tail(path: str) -> list[str]:
    """The last lines of a log, which may still be growing."""
    try:
        data = bounded(Path(path), limits.LOG_TAIL, end=True)
    except (OSError, WatchFileError) as error:
        return [str(error)]
    return (data or b"").decode("utf-8", "replace").splitlines()


def _keys(seconds: float) -> Iterator[str]:
    """Yield the pressed keys; wait for them for at most ``seconds``."""
    ready, _, _ = select.select([0], [], [], seconds)
    if not ready:
        return
    data = os.read(0, 256)
    if not data:
        raise KeyboardInterrupt  # the terminal was closed
    text = data.decode("utf-8", "replace")
    while text:
        known = next((one for one in sorted(_KEYS, key=len, reverse=True) if text.startswith(one)), text[0])
        yield _KEYS.get(known, known)
        text = text[len(known) :]


@contextlib.contextmanager
def _terminal(out: TextIO) -> Iterator[None]:
    modes = termios.tcgetattr(0)

    def ended(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, ended) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setcbreak(0)
        out.write(_ENTER)
        out.flush()
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        with contextlib.suppress(OSError):
            out.write(_LEAVE)
            out.flush()
        termios.tcsetattr(0, termios.TCSADRAIN, modes)
        for number, handler in before.items():
            signal.signal(number, handler)

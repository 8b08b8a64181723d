"""Lines below those of emerge that come and go without a trace: they are under the cursor, and what emerge prints comes first.

The cursor stays where emerge left it, so what emerge writes on its status line disturbs nothing. Before a line break the lines
below are taken away, so none of them is ever scrolled. No mode of the terminal is changed: an emerge that is killed leaves a
terminal that needs no reset. The sequences are those of a VT100: index, cursor up and down, save and restore, erase.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, Final

_SAVE, _RESTORE, _INDEX, _BELOW, _LINE, _REST = "\0337", "\0338", "\033D", "\033[B\r\033[J", "\r\n\033[K", "\033[J"
_ON_ITS_LINE: Final = re.compile(rb"(?:[^\n\v\f\x1b]|\x1b\[[0-9;]*[mK]|\x1b\][^\n\x07\x1b]*\x07)*")
"""What leaves the lines below alone: text, colours, erasing to the end of the line, a title. A line break may also be ESC E."""
_HANDLED: Final = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2))
"""The signals for which Portage has handlers that print."""
_HIGHEST: Final = 3
"""The footer takes at most one line of so many of the terminal's."""


def usable(out: Any, term: str) -> bool:
    """Whether lines can come and go there."""
    try:
        return term not in ("", "dumb", "unknown") and out.isatty() and os.get_terminal_size(out.fileno()).lines > 0
    except (OSError, AttributeError, ValueError):
        return False


class Footer:
    """On the terminal behind ``sys.stdout``. ``gone`` is called when emerge's output has taken the lines away."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self._gone = gone
        self._pid = os.getpid()
        self._out: Any = sys.stdout
        self._terminal = os.fstat(self._out.fileno()).st_rdev
        self._shown = False

    @contextlib.contextmanager
    def below(self) -> Iterator[None]:
        """While the block lasts, what this process prints takes the footer away first."""
        streams = {"stdout": sys.stdout, "stderr": sys.stderr}
        guards = {name: _Guarded(stream, self._before) for name, stream in streams.items() if stream.isatty()}
        try:
            for name, guard in guards.items():
                setattr(sys, name, guard)
            yield
        finally:
            for name, guard in guards.items():
                # Who has put something of its own there since keeps it.
                if getattr(sys, name) is guard:
                    setattr(sys, name, streams[name])
            # A terminal that was closed must not end an emerge that has finished its work.
            with contextlib.suppress(OSError, ValueError):
                self.hide()

    def room(self) -> tuple[int, int]:
        """Columns and lines that there are for the footer."""
        size = os.get_terminal_size(self._out.fileno())
        return size.columns - 1, size.lines // _HIGHEST

    def show(self, lines: Sequence[str]) -> None:
        """Show these lines instead of those before."""
        if not lines:
            return self.hide()
        with _undisturbed():
            sys.stdout.flush()
            sys.stderr.flush()
            count = len(lines)
            self._shown = True
            drawn = "".join(_LINE + line for line in lines)
            return self._write(f"{_INDEX * count}\033[{count}A{_SAVE}{drawn}{_REST}{_RESTORE}")

    def hide(self) -> None:
        """Take the lines away; the cursor stays."""
        with _undisturbed():
            if self._shown and os.getpid() == self._pid:
                self._shown = False
                self._write(f"{_SAVE}{_BELOW}{_RESTORE}")

    def _before(self, stream: Any, data: str | bytes) -> None:
        # A child that Portage has forked mostly writes to a log, whatever its streams are called.
        if not self._shown or os.fstat(stream.fileno()).st_rdev != self._terminal:
            return
        if os.getpid() != self._pid:
            self._shown = False
            stream.flush()
            os.write(stream.fileno(), f"{_SAVE}{_BELOW}{_RESTORE}".encode())
            return
        text = data.encode("utf-8", "replace") if isinstance(data, str) else bytes(data)
        if not _ON_ITS_LINE.fullmatch(text) or len(text) >= self.room()[0]:
            self.hide()
            self._gone()

    def _write(self, text: str) -> None:
        out: IO[bytes] = self._out.buffer
        out.write(text.encode("utf-8", "replace"))
        out.flush()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """No handler of a signal prints in the middle of the lines: what it had taken away would be drawn after it, and stay."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Guarded:
    """A stream of Portage's in every respect, but that ``before`` is called with all that is written."""

    def __init__(self, stream: Any, before: Callable[[Any, Any], None]) -> None:
        self._stream = stream
        self._before = before

    def write(self, data: Any) -> Any:
        self._warn(data)
        return self._stream.write(data)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> _Guarded:
        return _Guarded(self._stream.buffer, self._before)

    def _warn(self, data: Any) -> None:
        # What emerge prints must be printed, whatever broke here; the next frame tells it.
        with contextlib.suppress(Exception):
            self._before(self._stream, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._stream)

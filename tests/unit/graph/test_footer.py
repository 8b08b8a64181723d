"""Lines below emerge's own: whatever it prints, what is left on the terminal and in its scrollback is emerge's alone."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pty
import signal
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.graph.footer import Footer, usable
from tests.testkit.terminal import Screen

COLUMNS, LINES = 40, 12
WRITTEN = (
    ">>> Jobs: 1 of 9",
    "\r\033[K",
    "\n",
    "\033E",
    ">>> Emerging x\n",
    "x" * 39,
    "y" * 45 + "\n",
    "\033[32mgreen\033[0m",
    "a\nb\nc\n",
)


class _Raw(io.RawIOBase):
    """A terminal of its own; what is written to the stream is kept beside it, since the buffer of a terminal is small."""

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        os.set_blocking(self.master, False)
        termios.tcsetwinsize(self._slave, (LINES, COLUMNS))
        self.written: list[bytes] = []

    def fileno(self) -> int:
        return self._slave

    def isatty(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.written.append(bytes(data))
        return len(data)


class Out(io.TextIOWrapper):
    """A stream onto a terminal."""

    def __init__(self) -> None:
        self.raw = _Raw()
        super().__init__(io.BufferedWriter(self.raw), "utf-8")

    def text(self) -> str:
        """What was written since the last call, and then what came to the terminal past the stream."""
        self.flush()
        text = b"".join(self.raw.written)
        self.raw.written.clear()
        with contextlib.suppress(BlockingIOError):
            text += os.read(self.raw.master, 1 << 16)
        return text.decode()


@contextlib.contextmanager
def terminal() -> Iterator[Out]:
    """This process prints to a terminal while the block lasts; a fixture would come before pytest's own capture."""
    stream, before = Out(), (sys.stdout, sys.stderr)
    sys.stdout = sys.stderr = stream
    try:
        yield stream
    finally:
        sys.stdout, sys.stderr = before
        os.close(stream.raw.master)
        os.close(stream.raw.fileno())


def on_screen(text: str) -> Screen:
    screen = Screen(COLUMNS, LINES)
    screen.feed(text.replace("\n", "\r\n").replace("\r\r\n", "\r\n"))
    return screen


STEPS = st.lists(st.sampled_from(WRITTEN) | st.integers(0, 4), max_size=30)


@given(STEPS)
def test_what_is_left_is_what_emerge_wrote(steps: list[Any]) -> None:
    with terminal() as out:
        footer = Footer(lambda: None)
        with footer.below():
            print("start", flush=True)
            for step in steps:
                if isinstance(step, int):
                    footer.show([f"footer {line}" for line in range(step)])
                else:
                    sys.stdout.buffer.write(step.encode())
                    sys.stdout.flush()
        with_footer = on_screen(out.text())
        assert sys.stdout is out
    plain = on_screen("start\n" + "".join(step for step in steps if isinstance(step, str)))
    assert with_footer.whole() == plain.whole()


def test_a_terminal_that_is_gone_at_the_end_does_not_end_emerge(monkeypatch: pytest.MonkeyPatch) -> None:
    def hung_up(data: Any) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with terminal() as out:
        footer = Footer(lambda: None)
        before = sys.stdout, sys.stderr
        with footer.below():
            footer.show(["one", "two"])
            monkeypatch.setattr(out.raw, "write", hung_up)
        assert (sys.stdout, sys.stderr) == before
        monkeypatch.undo()


def test_the_footer_is_below_the_status_line_and_the_cursor_on_it() -> None:
    gone = []
    with terminal() as out:
        footer = Footer(lambda: gone.append(1))
        with footer.below():
            print("\n" * 20 + ">>> Jobs", end="")
            footer.show(["one", "two"])
            text = out.text()
            screen = on_screen(text)
            assert screen.text()[-3:] == [">>> Jobs", "one", "two"]
            assert screen.cursor == (LINES - 3, 8)
            print("\r\033[K>>> Jobs: 2", end="")
            assert gone == []
            assert on_screen(text + out.text()).text()[-3:] == [">>> Jobs: 2", "one", "two"]
            print()
            assert gone == [1]
            assert footer.room() == (COLUMNS - 1, LINES // 3)


def test_a_forked_child_takes_the_footer_away_and_no_log_gets_sequences(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with terminal() as out:
        footer = Footer(lambda: None)
        with footer.below():
            footer.show(["one"])
            before = out.text()
            if os.fork() == 0:
                print("to the terminal")
                sys.stdout.flush()
                os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), out.fileno())
                footer._shown = True
                print("to the log")
                sys.stdout.flush()
                os._exit(0)
            os.wait()
            assert on_screen(before).whole() == ["", "one"]
            assert on_screen(before + out.text()).whole() == []
    assert log.read_bytes() == b""


def test_where_lines_cannot_come_and_go() -> None:
    with terminal() as out:
        assert usable(out, "xterm")
        assert not usable(out, "dumb")
        assert not usable(out, "")
        assert not usable(io.StringIO(), "xterm")


@pytest.mark.parametrize("at", ["show", "hide"])
def test_an_interrupt_while_the_lines_are_written_leaves_none(at: str) -> None:
    """As Portage's handler does: it prints, and emerge ends when its builds have, perhaps at once."""
    with terminal() as stream:
        footer = Footer(lambda: None)

        def handler(number: int, frame: object) -> None:
            sys.stderr.write("\n\nExiting on signal 2\n")
            sys.stderr.flush()

        before = signal.signal(signal.SIGINT, handler)
        write = stream.raw.write

        def interrupted(data: Any) -> int:
            stream.raw.write = write  # type: ignore[method-assign]
            signal.raise_signal(signal.SIGINT)
            return write(data)

        try:
            with footer.below():
                if at == "hide":
                    footer.show(["one", "two"])
                stream.raw.write = interrupted  # type: ignore[method-assign]
                footer.show(["one", "two"]) if at == "show" else footer.hide()
        finally:
            signal.signal(signal.SIGINT, before)
        screen = on_screen(stream.text())
    assert screen.whole() == ["", "", "Exiting on signal 2"]

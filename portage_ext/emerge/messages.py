"""Messages are one line on stderr, each printed once; emerge continues.

stdout belongs to Portage: scripts read that of portageq. Child processes learn from the environment what was printed already.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys

from portage_ext import shown

_VARIABLE = "PORTAGE_EXT_SAID"
_said: set[str] = set()
"""What this process, or a process that forked it, has reported."""
_value = ""
"""The value that one of these processes has given the variable."""


def line(text: str) -> None:
    """Print ``text`` on stderr, marked as ours. If stderr is closed, full or broken, the line is lost, and emerge continues."""
    words = f"portage-ext: {shown.text(text)}\n"
    stream = sys.stderr
    if stream is None:
        return
    fd = None
    with contextlib.suppress(OSError, ValueError):
        fd = None if stream.isatty() else stream.fileno()
    with contextlib.suppress(OSError, ValueError):
        if fd is None:
            stream.write(words)
        else:
            # Past the buffer: what it could not write would fail again when Python ends, which then exits with 120.
            stream.flush()
            os.write(fd, words.encode(stream.encoding, "backslashreplace"))


def progress(text: str) -> None:
    """Show ``text`` in place of the one before, on a terminal only; an empty one takes it away."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None and sys.stderr.isatty():
            width = max(20, shutil.get_terminal_size().columns - 1)
            sys.stderr.write(f"\r\x1b[K{shown.line(text)[:width]}")
            sys.stderr.flush()


def not_active(reason: str) -> None:
    """Report that portage-ext is not active in this run, unless this process or its parent has reported it already."""
    _once(reason, f"not active: {reason}")


def failed(what: str, error: Exception, which: str = "") -> None:
    """Report that ``what`` of portage-ext failed, so that Portage's own behaviour applies. ``which`` was the first case."""
    # Imported here, because every Portage program loads this module and dataclasses are slow to load.
    from portage_ext.errors import PortageExtError

    case = f"{what} {which}".rstrip()
    reason = str(error) if isinstance(error, PortageExtError) else f"{case}: {type(error).__name__}: {error}"
    _once(what, f"not active: {reason}")


def off(loss: str, error: Exception) -> None:
    """Report what is off in this process and why, each once, unless a parent process has reported it already."""
    from portage_ext.errors import UnknownPortageError

    text = str(error) if isinstance(error, UnknownPortageError) else f"{loss}: {type(error).__name__}: {error}"
    _once(text, text)


def _once(key: str, text: str) -> None:
    """Print ``text``, unless this process has reported ``key``. A program that another one has started reports nothing if
    that one has reported something; a process that it has forked does."""
    global _value
    if _VARIABLE not in os.environ:
        _value = os.environ[_VARIABLE] = str(os.getpid())
        _said.clear()
    if os.environ[_VARIABLE] == _value and key not in _said:
        _said.add(key)
        line(text)

"""Messages are one line on stderr, each printed once; emerge continues.

stdout belongs to Portage: scripts read that of portageq. Child processes learn from the environment what was printed already.
"""

from __future__ import annotations

import os
import shutil
import sys

from portage_ext import shown

_VARIABLE = "PORTAGE_EXT_SAID"
_off: set[str] = set()


def line(text: str) -> None:
    """Print ``text`` on stderr, marked as ours."""
    print(f"portage-ext: {shown.text(text)}", file=sys.stderr)


def progress(text: str) -> None:
    """Show ``text`` in place of the one before, on a terminal only; an empty one takes it away."""
    if not sys.stderr.isatty():
        return
    width = max(20, shutil.get_terminal_size().columns - 1)
    sys.stderr.write(f"\r\x1b[K{shown.line(text)[:width]}")
    sys.stderr.flush()


def not_active(reason: str) -> None:
    """Report that portage-ext is not active in this run, unless this process or its parent has reported it already."""
    if _VARIABLE not in os.environ:
        os.environ[_VARIABLE] = str(os.getpid())
        line(f"not active: {reason}")


def failed(what: str, error: Exception) -> None:
    """Report that a part of portage-ext failed, so that Portage's own behaviour applies."""
    # Imported here, because every Portage program loads this module and dataclasses are slow to load.
    from portage_ext.errors import PortageExtError

    not_active(str(error) if isinstance(error, PortageExtError) else f"{what}: {type(error).__name__}: {error}")


def off(loss: str, error: Exception) -> None:
    """Report what is off in this process and why, each once, unless a parent process has reported it already."""
    from portage_ext.errors import UnknownPortageError

    text = str(error) if isinstance(error, UnknownPortageError) else f"{loss}: {type(error).__name__}: {error}"
    own = str(os.getpid())
    if os.environ.setdefault(_VARIABLE, own) == own and text not in _off:
        _off.add(text)
        line(text)

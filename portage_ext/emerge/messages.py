"""One line on stderr, once, and emerge goes on.

stdout belongs to Portage: portageq's is read by scripts. Child processes inherit what has been said through the environment.
"""

from __future__ import annotations

import os
import sys

from portage_ext import shown

_VARIABLE = "PORTAGE_EXT_SAID"
_off: set[str] = set()


def line(text: str) -> None:
    """Print ``text`` on stderr, marked as ours."""
    print(f"portage-ext: {shown.text(text)}", file=sys.stderr)


def not_active(reason: str) -> None:
    """Say that this run is Portage's own, unless this process or its parent has said so already."""
    if _VARIABLE not in os.environ:
        os.environ[_VARIABLE] = str(os.getpid())
        line(f"not active: {reason}")


def failed(what: str, error: Exception) -> None:
    """Say that a part of portage-ext failed and that Portage's own behaviour takes its place."""
    # Not above: this module is loaded by every program of Portage, and dataclasses are slow to load.
    from portage_ext.errors import PortageExtError

    not_active(str(error) if isinstance(error, PortageExtError) else f"{what}: {type(error).__name__}: {error}")


def off(loss: str, error: Exception) -> None:
    """Say what is off in this process and why, each once, and not what a parent has said already."""
    from portage_ext.errors import UnknownPortageError

    text = str(error) if isinstance(error, UnknownPortageError) else f"{loss}: {type(error).__name__}: {error}"
    own = str(os.getpid())
    if os.environ.setdefault(_VARIABLE, own) == own and text not in _off:
        _off.add(text)
        line(text)

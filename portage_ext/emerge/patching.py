"""How functions of Portage are replaced: all that belong together or none, after a look at this Portage, each original kept.

Only this module sets an attribute of Portage's. What replaces a function calls the original for everything that is not ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Patch:
    """``owner.name`` becomes ``wrap(original)``. ``owner`` is a class or a module of Portage."""

    owner: Any
    name: str
    wrap: Callable[[Function], Function]


ORIGINALS: dict[tuple[Any, str], Function] = {}
"""What was there before, by owner and name."""


def apply(patches: Sequence[Patch], check: Callable[[], None]) -> bool:
    """Replace these functions, unless that has been done, and say whether it was done now.

    ``check`` raises UnknownPortageError when this Portage is not built as they rely on; nothing is replaced then.
    """
    if all((patch.owner, patch.name) in ORIGINALS for patch in patches):
        return False
    check()
    for patch in patches:
        original = getattr(patch.owner, patch.name)
        ORIGINALS[patch.owner, patch.name] = original
        setattr(patch.owner, patch.name, functools.wraps(original)(patch.wrap(original)))
    return True

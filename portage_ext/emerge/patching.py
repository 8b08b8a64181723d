"""How what is Portage's is replaced: all that belongs together or nothing, each original kept and within reach of the probe.

Only this module sets an attribute of a class or module of Portage's. What replaces a function calls the original for everything
that is not ours. This module is loaded by every program of Portage, and imports nothing that is not loaded anyway.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Function = Callable[..., Any]


class Patch:
    """``owner.name`` becomes ``wrap(original)``. ``owner`` is a class or a module of Portage."""

    __slots__ = ("name", "owner", "wrap")

    def __init__(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        self.owner = owner
        self.name = name
        self.wrap = wrap


ORIGINALS: dict[tuple[Any, str], Any] = {}
"""What was there before the first of ours, by owner and name."""
_applied: set[Patch] = set()


def apply(patches: Sequence[Patch]) -> bool:
    """Replace these for good, unless that has been done, and say whether it was done now.

    Raises AttributeError for what is not there, or whatever a ``wrap`` raises; nothing is replaced then.
    """
    if _applied.issuperset(patches):
        return False
    before = _replace(patches)
    for patch, value in zip(patches, before, strict=True):
        ORIGINALS.setdefault((patch.owner, patch.name), value)
    _applied.update(patches)
    return True


@contextlib.contextmanager
def applied(patches: Sequence[Patch]) -> Iterator[None]:
    """Replace these for a while. Raises as :func:`apply` does."""
    before = _replace(patches)
    try:
        yield
    finally:
        _put_back(patches, before)


def _replace(patches: Sequence[Patch]) -> list[Any]:
    before: list[Any] = []
    try:
        for patch in patches:
            value = getattr(patch.owner, patch.name)
            new = patch.wrap(value)
            if callable(value):
                functools.update_wrapper(new, value)
                # The probe asks this one, and passes over all of ours.
                new._portage_ext_original = getattr(value, "_portage_ext_original", value)
            before.append(value)
            setattr(patch.owner, patch.name, new)
    except BaseException:
        # Also Ctrl-C, and a SystemExit of what a ``wrap`` imports: Portage must never go on half patched. Nothing is swallowed.
        _put_back(patches, before)
        raise
    return before


def _put_back(patches: Sequence[Patch], before: list[Any]) -> None:
    for patch, value in reversed(list(zip(patches, before, strict=False))):
        setattr(patch.owner, patch.name, value)

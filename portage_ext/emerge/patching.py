"""Only this module replaces attributes of Portage: all of a group or none, with each original kept and visible to the probe.

A replacement calls the original for everything that does not concern portage-ext. Every Portage program loads this module, so
it imports nothing that is not loaded anyway.
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
"""The originals before our first replacement, by owner and name."""
_applied: set[Patch] = set()


def apply(patches: Sequence[Patch]) -> bool:
    """Apply the patches permanently, unless they are applied already. Returns whether they were applied now.

    Raises AttributeError for a missing attribute, and whatever a ``wrap`` raises; then nothing is replaced.
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
    """Apply the patches temporarily. Raises as :func:`apply` does."""
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
                # The probe checks this original and skips our replacements.
                new._portage_ext_original = getattr(value, "_portage_ext_original", value)
            before.append(value)
            setattr(patch.owner, patch.name, new)
    except (
        BaseException
    ):  # also for Ctrl-C, or a SystemExit in ``wrap``: Portage must never run half patched; it is raised again
        _put_back(patches, before)
        raise
    return before


def _put_back(patches: Sequence[Patch], before: list[Any]) -> None:
    for patch, value in reversed(list(zip(patches, before, strict=False))):
        setattr(patch.owner, patch.name, value)

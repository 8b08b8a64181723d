"""Before anything is built in an environment, it is captured again and compared with its target; if it differs, nothing is.

If they differ in anything but the time, the run is *blocked* and the differences are named. The capture takes a while, so other
work goes on beside it: what comes of that work counts only when the check has passed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from portage_ext.builds.cages.environment import Environment, environment
from portage_ext.errors import PortageExtError
from portage_ext.errors.builds import BlockedError
from portage_ext.targets import reach
from portage_ext.targets.capture import Target
from portage_ext.targets.differences import differences

Check = Callable[[], None]
"""Waits until the environment is captured, when it is called first. Raises BlockedError if the environment differs from its
target, CaptureError, InvalidBuilderError."""
_SHOWN: Final = 5


@contextlib.contextmanager
def checking(name: str, target: Target) -> Iterator[tuple[Environment, Check]]:
    """Give the environment of ``target``, which is being captured, and its check. Raises TargetError, CaptureError.

    If the block fails in an environment that differs from the target, the difference is the reason that is raised.
    """
    place = environment(name, target)
    with place.held(), _begun(place) as capture:
        check = _Check(name, target, capture)
        try:
            yield place, check
        except (PortageExtError, OSError):
            check()
            raise


def _begun(place: Environment) -> contextlib.AbstractContextManager[Capture]:
    """Begin to capture the environment."""
    if place.stack is None:
        return (reach.prefix if place.is_prefix else reach.directory)(place.top)
    from portage_ext.builds.cages.captured import Caged  # environments of layers alone need it

    return Caged(place)


class Capture(Protocol):
    """A capture that has begun."""

    def target(self) -> Target:
        """Wait for its end and return what it captured. Raises PortageExtError."""


@dataclass(slots=True)
class _Check:
    """The check of one capture; it always ends in the same way."""

    name: str
    target: Target
    capture: Capture
    done: bool = False
    failed: PortageExtError | None = None

    def __call__(self) -> None:
        if not self.done:
            self.done = True
            try:
                _compare(self.name, self.target, self.capture.target())
            except PortageExtError as error:
                self.failed = error
        if self.failed is not None:
            raise self.failed


def _compare(name: str, target: Target, now: Target) -> None:
    # The world file decides what is installed, not how it is built.
    found = [one for one in differences(target, now) if not one.name.startswith("var/lib/portage/world")]
    if found or now.emerge != target.emerge:
        named = [f"{one.area} {one.name}: {one.first or 'nothing'} -> {one.second or 'nothing'}" for one in found[:_SHOWN]]
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise BlockedError(
            name,
            f"differs from the target: {'; '.join(named) or 'another Portage'}{more}",
            f"bring the environment back to what the target is, or run `portage-ext target {_again(name, target)}` again",
        )


def _again(name: str, target: Target) -> str:
    """The action that made the target."""
    kind, _, place = target.source.partition(":")
    if kind in ("chroot", "prefix"):
        return f"capture {name} --{'root' if kind == 'chroot' else kind} {place}"
    return f"copy {name}"

"""A phase whose shell was killed has failed, even if the rest of that shell reports success.

ebuild.sh runs each phase in a subshell, and Portage believes what the subshell reports. If the shell is killed, for example by
``kill -9 $$`` in an ebuild, the subshell works on and reports success, and Portage packages the result. A build for another
machine must not, so the emerge in a cage begins with this module (builds/cages/early).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from portage_ext.emerge import patching
from portage_ext.errors import PortageExtError
from portage_ext.host import probe
from portage_ext.host.probe import Expectation, Function, Names

_CLASS: Final = "_emerge.AbstractEbuildProcess:AbstractEbuildProcess"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_CLASS}._async_waitpid_cb", ("self",)),
    Function(f"{_CLASS}._killed_by_signal", ("self", "signum")),
    Function("_emerge.SubProcess:SubProcess._async_waitpid_cb", ("self", "future")),
    Names(f"{_CLASS}._async_waitpid_cb", ("returncode", "cancelled", "exitcode")),
)
LOSS: Final = "A phase whose shell is killed can still count as successful"
_SIGNALS: Final = range(129, 193)
"""How sandbox(1) reports that the shell was killed by a signal."""


def begin() -> None:
    """Replace what Portage calls when a phase has ended. With a Portage that is not as expected, only say so on stderr."""
    try:
        probe.check(LOSS, EXPECTED)
        from _emerge.AbstractEbuildProcess import AbstractEbuildProcess

        patching.apply((patching.Patch(AbstractEbuildProcess, "_async_waitpid_cb", strict),))
    except (PortageExtError, AttributeError, ImportError) as error:
        print(f"portage-ext: {error}", file=sys.stderr)


def strict(original: Callable[..., None]) -> Callable[..., None]:
    """What Portage calls when the process of a phase has ended, such that a killed process is no success."""

    def _async_waitpid_cb(self: Any, future: Any) -> None:
        original(self, future)
        status: int = future.result()
        # Portage itself ends a process that reported its status but does not exit; then it is cancelled.
        if self.returncode == 0 and not self.cancelled and (status < 0 or status in _SIGNALS):
            self.returncode = status
            self._killed_by_signal(-status if status < 0 else status - 128)

    return _async_waitpid_cb

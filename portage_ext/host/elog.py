"""A report goes where Portage's own messages go: to the modules in PORTAGE_ELOG_SYSTEM, such as mail (make.conf(5)).

It is a message of the package app-portage/portage-ext: of class ERROR if somebody must act, else of class LOG.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, Final

import portage_ext
from portage_ext.host import probe
from portage_ext.host.probe import Attribute, Expectation, Function

EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("portage.elog:elog_process", ("cpv", "mysettings"), ("phasefilter",)),
    Attribute("portage.elog.messages:eerror"),
    Attribute("portage.elog.messages:elog"),
)
LOSS: Final = "`portage-ext update` cannot report to elog"


def send(settings: Any, lines: Iterable[str], *, error: bool, echo: bool = True) -> None:
    """Give ``lines`` to the modules that ``settings`` (Portage's config) name. Without ``echo`` not to the one that prints."""
    import portage
    from portage.elog import elog_process
    from portage.elog.messages import eerror, elog

    key = f"app-portage/portage-ext-{portage_ext.__version__}"
    for line in lines:
        # stderr has it already.
        (eerror if error else elog)(line, phase="other", key=key, out=io.StringIO())
    own = portage.config(clone=settings)
    # The log of a package's phases, which has been processed.
    own.pop("T", None)
    if not echo:
        kept = [word for word in own.get("PORTAGE_ELOG_SYSTEM", "").split() if word.partition(":")[0] != "echo"]
        own["PORTAGE_ELOG_SYSTEM"] = " ".join(kept)
        own.backup_changes("PORTAGE_ELOG_SYSTEM")
    elog_process(key, own, phasefilter=("other",))


def report(lines: Iterable[str], *, error: bool) -> None:
    """The same of a command, which has printed ``lines`` itself. Raises UnknownPortageError."""
    import portage

    probe.check(LOSS, EXPECTED)
    send(portage.settings, lines, error=error, echo=False)

"""A Binrepo is made only here, with the transports of one run, which are closed together with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from portage_ext.config.settings import Settings
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.mirrors import Transports
from portage_ext.trust.memory import StateDirectory, checked_name


def _ignored(_: object) -> None:
    """Ignore a warning or the progress."""


@contextlib.contextmanager
def opened(
    name: str,
    base: str,
    *,
    settings: Settings,
    config_root: Path,
    eroot: Path,
    warn: Callable[[str], None] = _ignored,
    progress: Callable[[int], None] = _ignored,
) -> Iterator[Binrepo]:
    """Open the binrepo ``name``, whose files are below the URL ``base``, with ``settings`` read below ``config_root``.

    What was seen of it is remembered below ``eroot``. ``warn`` is called with what was left out or failed, ``progress`` with
    the number of bytes that arrived. Raises UsageError for a name that no section of binrepos.conf can have.
    """
    transports = Transports()
    try:
        yield Binrepo(
            name=checked_name(name),
            base=base,
            settings=settings,
            config_root=config_root,
            state=StateDirectory(eroot, name),
            transports=transports,
            warn=warn,
            progress=progress,
        )
    finally:
        transports.close()

"""A binrepo is opened with the transports of one run, and they are closed with it: the one place where a Binrepo is made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from portage_ext.config.settings import Settings
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.mirrors import Transports
from portage_ext.trust.memory import StateDirectory, checked_name


def _ignored(_: object) -> None:
    """Nobody is told."""


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
    """The binrepo ``name`` whose files are below the URL ``base``, as ``settings`` below ``config_root`` have it.

    What was seen of it is remembered below ``eroot``. ``warn`` is told what was left out or tried in vain, ``progress`` how
    many bytes have come. Raises UsageError for a name that no section can have.
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

"""Which files an ebuild fetches, where Portage keeps them, and where it builds."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from portage_ext.host import probe
from portage_ext.host.probe import Expectation, Function

_DATABASE: Final = "portage.dbapi.porttree:portdbapi"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_DATABASE}.getFetchMap", ("self", "mypkg"), ("mytree",)),
    Function(f"{_DATABASE}.getRepositories", ("self",)),
)
LOSS: Final = "releases cannot be compared"


def distdir() -> Path:
    """DISTDIR."""
    import portage

    return Path(portage.settings["DISTDIR"])


def building_directory() -> Path:
    """PORTAGE_TMPDIR."""
    import portage

    return Path(portage.settings["PORTAGE_TMPDIR"])


def distfiles(cpv: str, repository: Path) -> frozenset[str] | None:
    """The names of all files of ``category/name-version`` in the ebuild repository at ``repository``, whatever the USE flags.

    None when Portage cannot say: repos.conf has no such repository, or the ebuild cannot be read. Raises UnknownPortageError.
    """
    import portage
    from portage.exception import InvalidDependString

    probe.check(LOSS, EXPECTED)
    database = portage.portdb
    try:
        return frozenset(database.getFetchMap(cpv, mytree=str(repository.resolve())))
    except (KeyError, InvalidDependString):
        return None

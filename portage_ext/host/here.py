"""This host as values for the commands: where its files are, and which binrepos Portage would ask."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from portage_ext.config.binrepos import BINREPOS, mistakes
from portage_ext.errors import SettingsError
from portage_ext.host import probe
from portage_ext.host.probe import Attribute, Expectation, Function
from portage_ext.trust.defeats import BinrepoValues

_CONFIG: Final = "portage.binrepo.config:BinRepoConfig"
_VALUES: Final = ("name", "name_fallback", "sync_uri", "location", "fetchcommand", "resumecommand", "verify_signature")
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("portage.binrepo.config:BinRepoConfigLoader.__init__", ("self", "paths", "settings")),
    Function("portage.binrepo.config:BinRepoConfigLoader.__getitem__", ("self",)),
    *(Attribute(f"{_CONFIG}.{name}") for name in _VALUES),
    Attribute("portage.const:BINREPOS_CONF_FILE"),
)
LOSS: Final = "binhosts in binrepos.conf cannot be read"


@dataclass(frozen=True, slots=True)
class Here:
    """PORTAGE_CONFIGROOT, EROOT, PKGDIR, FEATURES as Portage evaluates it, and PORTAGE_BINHOST_HEADER_URI (may be empty)."""

    config_root: Path
    eroot: Path
    pkgdir: Path
    features: frozenset[str]
    header_uri: str = ""


def here() -> Here:
    """Where this host keeps its files. Raises SettingsError when Portage cannot read its own configuration."""
    import portage
    from portage.exception import PortageException

    settings = portage.settings
    try:
        config_root, eroot, pkgdir = (Path(settings[name]) for name in ("PORTAGE_CONFIGROOT", "EROOT", "PKGDIR"))
    except (PortageException, ValueError) as error:  # shlex's ValueError: Portage has said file and line
        raise SettingsError("the configuration of Portage", " ".join(str(error).split())) from error
    return Here(config_root, eroot, pkgdir, frozenset(settings.features), settings.get("PORTAGE_BINHOST_HEADER_URI", ""))


def configured_binrepos(settings: Any) -> list[BinrepoValues]:
    """The binrepos that Portage would use with ``settings``, lowest priority first.

    Raises what Portage raises for a file that it cannot read.
    """
    from portage.binrepo.config import BinRepoConfigLoader
    from portage.const import BINREPOS_CONF_FILE

    paths = [os.path.join(settings["PORTAGE_CONFIGROOT"], BINREPOS_CONF_FILE)]
    return [
        BinrepoValues(
            name=repo.name or repo.name_fallback,
            sync_uri=repo.sync_uri or "",
            location=repo.location,
            fetchcommand=repo.fetchcommand,
            resumecommand=repo.resumecommand,
            verify_signature=repo.verify_signature,
            from_binhost_variable=repo.name is None,
        )
        for repo in BinRepoConfigLoader(paths, settings).values()
    ]


def binrepos() -> list[BinrepoValues]:
    """The binrepos of binrepos.conf and PORTAGE_BINHOST, lowest priority first. Raises SettingsError, UnknownPortageError."""
    import portage

    probe.check(LOSS, EXPECTED)
    return binrepos_of(portage.settings)


def binrepos_of(settings: Any) -> list[BinrepoValues]:
    """The same with ``settings``. Raises SettingsError."""
    import configparser

    try:
        return configured_binrepos(settings)
    except configparser.Error as error:
        root = Path(settings["PORTAGE_CONFIGROOT"])
        where, why = next(iter(mistakes(root)), (str(root / BINREPOS), " ".join(str(error).split())))
        raise SettingsError(where, why) from error


def repository_locations() -> dict[str, Path]:
    """The ebuild repositories by name, and where they are."""
    import portage

    return {repo.name: Path(repo.location) for repo in portage.settings.repositories if repo.location}

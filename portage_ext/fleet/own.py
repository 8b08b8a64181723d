"""Portage reads make.conf and names the profile. This is the only module of this room that imports Portage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from portage_ext.errors.fleet import ConfigError
from portage_ext.host.builder import profile_name


@dataclass(frozen=True, slots=True)
class Own:
    """This host: its profile as ``repository:path``, its ARCH, the names in USE_EXPAND, and the variables of make.conf."""

    profile: str
    arch: str
    use_expand: tuple[str, ...]
    variables: Mapping[str, str]


def own() -> Own:
    """This host, as Portage reads it."""
    import portage

    settings = portage.settings
    names = tuple(sorted(settings.get("USE_EXPAND", "").split()))
    return Own(profile_name(settings), settings.get("ARCH", ""), names, dict(settings.configdict["conf"]))


def make_conf(path: Path) -> dict[str, str]:
    """The variables of the make.conf of another host. No other file is read for it, so ``source`` is an error.

    Raises ConfigError.
    """
    from portage.exception import PortageException
    from portage.util import getconfig

    try:
        return dict(getconfig(str(path), tolerant=False, allow_sourcing=False, expand=True) or {})
    except PortageException as error:
        raise ConfigError(
            str(path), f"Portage cannot read it alone ({' '.join(str(error).split())})", "Write its values into the file itself"
        ) from error

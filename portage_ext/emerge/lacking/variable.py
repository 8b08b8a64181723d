"""One variable of package.env, for each package: the environment wins, then package.env, make.conf and the profile.

Portage's own configuration object decides which entries apply and in what order, as for the whitelist. An env file that cannot
set the variable is not parsed; one that does not parse counts as empty, and the whitelist and Portage report it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from portage.exception import PortageException
from portage.package.ebuild._config.helper import ordered_by_atom_specificity

from portage_ext.emerge.relevance import mentions
from portage_ext.host.probe import Expectation, Function, Names

_CONFIG: Final = "portage.package.ebuild.config:config"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_CONFIG}._grab_pkg_env", ("self", "penv", "container"), callers=(f"{_CONFIG}.setcpv",)),
    Names(f"{_CONFIG}.__init__", ("_penvdict", "configdict")),
    Function("portage.package.ebuild._config.helper:ordered_by_atom_specificity", ("cpdict", "pkg")),
)


class PackageVariable:
    """``name`` as ``settings`` (a ``portage.config``) have it."""

    def __init__(self, settings: Any, name: str) -> None:
        self._settings = settings
        self._name = name
        self._directory = Path(settings["PORTAGE_CONFIGROOT"], "etc/portage/env")
        self._values: dict[tuple[str, ...], str | None] = {(): None}

    def of(self, cpv: Any) -> str:
        """The value for ``cpv``, a ``_pkg_str`` with slot and repository; empty when nothing sets it."""
        layers = self._settings.configdict
        if self._name in layers["env"]:
            return str(layers["env"][self._name]).strip()
        entries = self._settings._penvdict.get(cpv.cp)
        names = [name for value in ordered_by_atom_specificity(entries, cpv) for name in value] if entries else []
        said = self._said(tuple(names))
        if said is not None:
            return said
        return next((str(layers[one][self._name]).strip() for one in ("conf", "defaults") if self._name in layers[one]), "")

    def _said(self, names: tuple[str, ...]) -> str | None:
        if names not in self._values:
            self._values[names] = self._evaluate([name for name in names if mentions(str(self._directory / name), self._name)])
        return self._values[names]

    def _evaluate(self, names: list[str]) -> str | None:
        values: dict[str, str] = {}
        for name in names:
            try:
                self._settings._grab_pkg_env([name], values)
            except (PortageException, ValueError):  # ValueError: shlex's, which Portage passes on
                continue
        return values[self._name].strip() if self._name in values else None

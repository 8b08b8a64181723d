"""How strictly each package of a run is checked: by environment, package.env, make.conf, configuration file, in this order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from portage_ext.config.toolchain import Mode, configured_mode, mode_in
from portage_ext.emerge import messages
from portage_ext.errors import ToolchainModeError
from portage_ext.host.probe import Expectation, Function, Names

_CONFIG: Final = "portage.package.ebuild.config:config"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_CONFIG}._grab_pkg_env", ("self", "penv", "container")),
    Names(f"{_CONFIG}.__init__", ("_penvdict", "configdict")),
    Function("portage.package.ebuild._config.helper:ordered_by_atom_specificity", ("cpdict", "pkg")),
)


class Modes:
    """``settings`` are those of the run; package.env is read per package. For a wrong value it warns and uses ``enforce``."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings
        self._modes: dict[str, Mode] = {}
        self._configured = _read(lambda: configured_mode(Path(settings["PORTAGE_CONFIGROOT"]))) or Mode.ENFORCE
        self._for_run = _read(lambda: mode_in(settings.configdict["env"]))
        self._in_conf = _read(lambda: mode_in(settings.configdict["conf"]))

    @property
    def off(self) -> bool:
        """Whether nothing is checked in this run, except for package.env, which the environment's ``off`` overrides."""
        return self._for_run is Mode.OFF or (
            (self._for_run or self._in_conf or self._configured) is Mode.OFF and not self._settings._penvdict
        )

    def of(self, cpv: Any, settings: Any) -> Mode:
        """The mode of the package ``cpv`` (Portage's, with slot and repository) under ``settings``, those of its root."""
        if self._for_run is not None:
            return self._for_run
        if cpv not in self._modes:
            self._modes[cpv] = _in_package_env(cpv, settings) or self._in_conf or self._configured
        return self._modes[cpv]


def _read(read: Callable[[], Mode | None]) -> Mode | None:
    try:
        return read()
    except ToolchainModeError as error:
        messages.line(f'{error}; using "enforce"')
        return Mode.ENFORCE


def _in_package_env(cpv: Any, settings: Any) -> Mode | None:
    from portage.package.ebuild._config.helper import ordered_by_atom_specificity

    entries = settings._penvdict.get(cpv.cp)
    if not entries:
        return None
    names = [name for value in ordered_by_atom_specificity(entries, cpv) for name in value]
    values: dict[str, str] = {}
    settings._grab_pkg_env(names, values)
    return _read(lambda: mode_in(values))

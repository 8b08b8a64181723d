"""How strictly toolchain order is kept: per run in the environment, per package in package.env, else in the file.

``enforce`` orders and refuses, ``order`` orders and warns, ``warn`` only warns, ``off`` leaves everything to Portage. For an
unknown value the reader prints an error and uses ``enforce``, so that a typing error does not switch off the check.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from portage_ext.config.table import SETTINGS_FILE, Table, document
from portage_ext.errors import SettingsError, ToolchainModeError
from portage_ext.limits import CONFIG_FILE_SIZE

VARIABLE: Final = "PORTAGE_EXT_TOOLCHAIN"
_KEY: Final = "toolchain"


class Mode(StrEnum):
    """See the module."""

    ENFORCE = "enforce"
    ORDER = "order"
    WARN = "warn"
    OFF = "off"

    @property
    def orders(self) -> bool:
        return self in (Mode.ENFORCE, Mode.ORDER)


def mode_of(value: str, where: str) -> Mode:
    """Raises ToolchainModeError; ``where`` names the file or variable."""
    try:
        return Mode(value.strip())
    except ValueError:
        raise ToolchainModeError(where, value) from None


def mode_in(variables: Mapping[str, str]) -> Mode | None:
    """What the environment or an env file says; None when it says nothing. Raises ToolchainModeError."""
    value = variables.get(VARIABLE, "")
    return mode_of(value, VARIABLE) if value.strip() else None


def configured_mode(config_root: Path) -> Mode:
    """What the configuration file under ``config_root`` says. Raises ToolchainModeError."""
    path = config_root / SETTINGS_FILE
    try:
        with open(path, "rb") as file:
            text = file.read(CONFIG_FILE_SIZE).decode("utf-8", "replace")
    except FileNotFoundError:
        return Mode.ENFORCE
    except OSError as error:
        raise ToolchainModeError(str(path), error.strerror or "") from error
    if _KEY not in text:
        return Mode.ENFORCE
    # The guard starts once per package, so the parser is loaded only if the file has the key.
    try:
        value = document(text, str(path)).get(_KEY, Mode.ENFORCE)
    except SettingsError as error:
        raise ToolchainModeError(str(path), error.why) from error
    return mode_of(value if isinstance(value, str) else repr(value), str(path))


def check(top: Table) -> None:
    """Take the key from the whole file. Raises SettingsError when its value is not a text, ToolchainModeError when unknown."""
    value = top.text(_KEY)
    if value is not None:
        mode_of(value, top.path)

"""One table of portage-ext.toml: each key is read once, with its type; a key that is never read is an error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.errors import SettingsError, UnreadableSettingsError

SETTINGS_FILE: Final = "etc/portage/portage-ext.toml"
"""Where the file is, below PORTAGE_CONFIGROOT."""
_PART: Final = r"""(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*"""
_DEEP_KEY: Final = re.compile(f"(?:{_PART}){{{limits.CONFIG_KEY_PARTS}}}")


def document(text: str, path: str) -> dict[str, object]:
    """The TOML in ``text``; ``path`` is named in errors. Raises SettingsError."""
    # Imported here, so that only hosts with such a file load the parser.
    import tomllib

    # tomllib takes time by the square of a dotted key.
    if _DEEP_KEY.search(text):
        raise SettingsError(path, f"a dotted key in it has more than {limits.CONFIG_KEY_PARTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SettingsError(path, "it is nested too deeply") from None
    except ValueError as error:  # also a number of thousands of digits
        raise SettingsError(path, str(error)) from error


def whole(config_root: Path) -> Table | None:
    """The whole file below ``config_root``; None without a file. Raises SettingsError, UnreadableSettingsError."""
    path = config_root / SETTINGS_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableSettingsError(str(path), error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), f"it is not UTF-8 ({error.reason} at byte {error.start})") from error
    return Table(document(text, str(path)), "", str(path))


class Table:
    """``values`` of the table ``name`` in the file ``path``. Every reader raises SettingsError."""

    def __init__(self, values: object, name: str, path: str) -> None:
        if not isinstance(values, dict):
            raise SettingsError(path, f"[{name}] is not a table")
        self._values: dict[str, object] = dict(values)
        self.name = name
        self.path = path

    def has(self, key: str) -> bool:
        return key in self._values

    def names(self) -> list[str]:
        return list(self._values)

    def table(self, key: str) -> Table:
        return Table(self._values.pop(key, {}), f"{self.name}.{key}".lstrip("."), self.path)

    def text(self, key: str) -> str | None:
        value = self._values.pop(key, None)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.wrong(key, "a text")
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = self._values.pop(key, list(default))
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self.wrong(key, "a list of texts")
        return tuple(value)

    def number(self, key: str, default: float, least: float, most: float) -> float:
        value = self._values.pop(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.wrong(key, f"a number from {least} to {most}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._values.pop(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def nothing_left(self) -> None:
        if self._values:
            key = min(self._values)
            raise SettingsError(
                self.path, f"[{self.name}] has no key {key}" if self.name else f"there is no table or key {key}"
            )

    def wrong(self, key: str, what: str) -> SettingsError:
        return SettingsError(self.path, f"{self.name}.{key} is not {what}")

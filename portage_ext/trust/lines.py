"""A signed text is read line by line in a fixed order: a missing, unknown or misplaced line is an error.

The callers also write the value that they read back to text and compare. So each value has exactly one valid text.
"""

from __future__ import annotations

import calendar
import re
import time
from typing import Final

from portage_ext.errors.trust import TrustError

NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


class Lines:
    """The lines of ``data``, which must be ASCII and at most ``limit`` bytes. All methods raise ``error``.

    ``noun`` is what error messages call the text ("Release", "root").
    """

    def __init__(self, data: bytes, limit: int, where: str, noun: str, error: type[TrustError]) -> None:
        self._where, self._noun, self._error = where, noun, error
        self._next = 0
        if len(data) > limit:
            raise self.wrong(f"the {noun} is larger than {limit} bytes")
        try:
            self._lines = data.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise self.wrong(f"the {noun} is not ASCII text") from None

    def wrong(self, why: str) -> TrustError:
        """The error for the caller to raise, with the reason ``why``."""
        return self._error(self._where, why)

    def follows(self, key: str) -> bool:
        return self._next < len(self._lines) and self._lines[self._next].startswith(f"{key}: ")

    def value(self, key: str) -> str:
        if not self.follows(key):
            raise self.wrong(f"the line `{key}:` is not where it belongs")
        self._next += 1
        return self._lines[self._next - 1][len(key) + 2 :]

    def matching(self, key: str, form: re.Pattern[str]) -> str:
        value = self.value(key)
        if not form.fullmatch(value):
            raise self.wrong(f"the line `{key}:` has a value that cannot be")
        return value

    def number(self, key: str) -> int:
        return int(self.matching(key, NUMBER))

    def seconds(self, key: str) -> int:
        """The time in the next line, in seconds since the epoch."""
        text = self.matching(key, _TIME)
        try:
            return calendar.timegm(time.strptime(text, _TIME_FORMAT))
        except ValueError:
            raise self.wrong(f"{text} is no time") from None


def timestamp(seconds: int) -> str:
    """A time in seconds since the epoch, in the format of signed texts."""
    return time.strftime(_TIME_FORMAT, time.gmtime(seconds))

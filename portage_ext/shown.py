"""Foreign text is made safe to show here and nowhere else: no terminal control sequences, no passwords of URLs.

Every error passes through here by its base class (errors/__init__). Everything else that is printed uses ``line`` or ``text``.
"""

from __future__ import annotations

import re
from typing import Final

_SPACES: Final = str.maketrans("\t\n\r\v\f", "     ")
_ERRNO: Final = re.compile(r"\[Errno -?\d+\] ")
_PASSWORD: Final = re.compile(
    # A user and a colon after "://", unless a port follows and then the path or the end: "http://host:80/a@b".
    r"(://(?!\[)(?:[^\s/?#@:]|@(?!\[))*+):(?![0-9]{0,5}(?:[/?#\s,;)'\"]|$))"
    # Up to the "@" of the authority, else up to any "@", because a password may contain a slash or a space.
    # What is longer is no port and no path, so that it is hidden to its end.
    r"(?:[^\s/?#]{0,1024}@|\S{0,1024}@|[^\n@]{0,1024}@|[^\n]{1025}[^\n]*+)"
)


def text(words: str) -> str:
    """``words`` with their line breaks, each line as ``line`` shows it."""
    return "\n".join(map(line, words.split("\n")))


def line(words: str) -> str:
    """``words`` as one line: passwords of URLs become stars. Escape sequences, other control characters, characters that change
    the writing direction or begin a line, and bytes that are not UTF-8 are written out (``\\x1b``)."""
    words = words.translate(_SPACES)
    if "[Errno " in words:
        words = _ERRNO.sub("", words)  # the words for the number follow it
    if "://" in words:
        words = _PASSWORD.sub(r"\1:*@", words)
    if words.isprintable():
        return words
    return "".join(one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode() for one in words)


def short(error: BaseException) -> str:
    """The innermost reason of a chain of errors of the system or a library, in one line of bounded length."""
    while error.__context__ is not None:
        error = error.__context__
    # Some errors of libraries have no words of their own.
    return line(" ".join((str(error) or type(error).__name__)[:4096].split())[:200])

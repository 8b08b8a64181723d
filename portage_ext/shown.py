"""What others wrote is made fit to be shown: nothing that a terminal obeys, no password of a URL. Here and nowhere else.

Every error passes through here by its base class (errors.py), and what is printed beside errors by ``line`` or ``text``.
"""

from __future__ import annotations

import re
from typing import Final

_SPACES: Final = str.maketrans("\t\n\r\v\f", "     ")
_ERRNO: Final = re.compile(r"\[Errno -?\d+\] ")
_PASSWORD: Final = re.compile(
    # A user and a colon behind "://", unless a port follows and then the path or the end: "http://host:80/a@b".
    r"(://(?!\[)(?:[^\s/?#@:]|@(?!\[))*+):(?![0-9]{0,5}(?:[/?#\s,;)'\"]|$))"
    # As far as the "@" of the authority; else as far as any, since a password that has a slash or a space in it is one, too.
    r"(?:[^\s/?#]{0,1024}@|\S{0,1024}@|[^\n@]{0,1024}@)"
)


def text(words: str) -> str:
    """``words`` in their lines, each as ``line`` shows it."""
    return "\n".join(map(line, words.split("\n")))


def line(words: str) -> str:
    """``words`` as one line: passwords of URLs are stars; escape sequences, other control characters, and those that turn the
    direction of writing or begin a line are written out (``\\x1b``), and so is a byte that was no character."""
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

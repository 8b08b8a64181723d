"""Foreign text in an ebuild is shell. Only listed characters come in, and the finished text is held to its grammar once more.

The two do not know of each other: what gets past the first is stopped by the second, which is a defect and says so.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from xml.sax.saxutils import escape

_DESCRIBING: Final = re.compile(r"[^A-Za-z0-9 .,:;()/+_'&%@#?=<>*|~^{}\[\]-]")
_URL: Final = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~:/?#@&+,;=%-]*)?")
_LONGEST: Final = 80
"""pkgcheck's bound on DESCRIPTION."""
_PLAIN: Final = r"[A-Za-z0-9 \t.,:;()/+_'&%@#?=<>*|~^{}\[\]!-]"
"""Inside double quotes none of these does anything in bash."""
_SUBSTITUTED: Final = r"\$\{PYTHON_USEDEP\}"
_ATOM: Final = r"[!~<>=]*[a-z0-9][a-z0-9+_.-]*/[A-Za-z0-9+_.*-]+(?:\[[a-z0-9@_+-]*(?:,?" + _SUBSTITUTED + r")?\])?"
_LINES: Final = re.compile(
    "|".join(
        (
            r"",
            r"# [ -~]*",
            r"EAPI=8",
            r"DISTUTILS_(?:EXT=1|USE_PEP517=[a-z_-]+)",
            r"PYPI_(?:NO_NORMALIZE=1|PN=\"[A-Za-z0-9][A-Za-z0-9._-]*\")",
            r"PYTHON_COMPAT=\( [a-z0-9_{}., ]+ \)",
            r"inherit distutils-r1(?: pypi)?",
            rf"(?:DESCRIPTION|LICENSE|KEYWORDS|IUSE|RESTRICT|SLOT|HOMEPAGE)=\"{_PLAIN}*\"",
            r"SRC_URI=\"\$\(pypi_sdist_url(?: --no-normalize)? \"[A-Za-z0-9._-]+\" \"?[A-Za-z0-9.]+\"?\)\"",
            r"SRC_URI=\"https?://[A-Za-z0-9._~:/?#@!&+,;=%\[\]-]+(?: -> [A-Za-z0-9][A-Za-z0-9._+!-]*)?\"",
            r"S=\"\$\{WORKDIR\}/[A-Za-z0-9][A-Za-z0-9._+-]*\"",
            r"(?:HOMEPAGE|[BR]?DEPEND)=\"",
            r"\"",
            rf"\t+{_ATOM}",
            rf"\t{_URL.pattern}",
            r"\t[a-z0-9][a-z0-9+_@-]*\? \(",
            r"\t+\)",
            r"\t+\$\(python_gen_cond_dep '",
            r"\t+'(?: 3\.[0-9]+)+\)",
        )
    )
)


def description(summary: str, name: str) -> str:
    """DESCRIPTION: one line of at most 80 listed characters, without a full stop; by rule where nothing is left of it."""
    plain = unicodedata.normalize("NFKD", summary[:2000].replace('"', "'").replace("`", "'").replace("!", "."))
    text = " ".join(_DESCRIBING.sub("", plain).split())
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rpartition(" ")[0] or text[:_LONGEST]
    text = text.rstrip(" .,;:(-").strip()
    # pkgcheck asks for more than the name, and for ten characters.
    return text if len(text) >= 10 and text.lower() != name.lower() else f"The Python project {name}"


def url(text: str) -> str | None:
    """``text`` where it is a plain address of the web, else None."""
    text = text.strip()
    return text if len(text) <= 300 and _URL.fullmatch(text) else None


def comment(text: str) -> str:
    """``text`` as what follows ``# `` on one line: printable ASCII, of bounded length."""
    plain = unicodedata.normalize("NFKD", text[:2000])
    return " ".join("".join(one if " " <= one <= "~" else " " for one in plain).split())[:400]


def xml(text: str) -> str:
    """``text`` for metadata.xml."""
    return escape(comment(text), {'"': "&quot;"})


def held(text: str) -> str:
    """``text`` of an ebuild, every line of which has one of the forms that are written here. Raises AssertionError."""
    for line in text.split("\n"):
        if not _LINES.fullmatch(line):
            raise AssertionError(f"this line is none that may be in an ebuild: {line!r}")
    return text

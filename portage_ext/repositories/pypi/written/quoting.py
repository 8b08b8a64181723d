"""Foreign text in an ebuild would be run by the shell: only listed characters are allowed, and the finished ebuild is checked
again.

The two checks are independent. If the first one misses something, the second one stops it and reports a defect of this program.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from xml.sax.saxutils import escape

_DESCRIBING: Final = re.compile(r"[^A-Za-z0-9 .,:;()/+_'&%@#?=<>*|~^{}\[\]-]")
_URL: Final = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~:/?#@&+,;=%-]*)?")
_LONGEST: Final = 80
"""The maximum length of DESCRIPTION according to pkgcheck."""
_PLAIN: Final = r"[A-Za-z0-9 \t.,:;()/+_'&%@#?=<>*|~^{}\[\]!-]"
"""Characters without a special meaning in bash inside double quotes."""
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
    """DESCRIPTION: one line of at most 80 allowed characters without a full stop; a standard text if nothing is left."""
    plain = unicodedata.normalize("NFKD", summary[:2000].replace('"', "'").replace("`", "'").replace("!", "."))
    text = " ".join(_DESCRIBING.sub("", plain).split())
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rpartition(" ")[0] or text[:_LONGEST]
    text = text.rstrip(" .,;:(-").strip()
    # pkgcheck requires at least ten characters and more than the name.
    return text if len(text) >= 10 and text.lower() != name.lower() else f"The Python project {name}"


def url(text: str) -> str | None:
    """Return ``text`` if it is a plain web URL, else None."""
    text = text.strip()
    return text if len(text) <= 300 and _URL.fullmatch(text) else None


def comment(text: str) -> str:
    """``text`` for a comment on one line: printable ASCII with limited length."""
    plain = unicodedata.normalize("NFKD", text[:2000])
    return " ".join("".join(one if " " <= one <= "~" else " " for one in plain).split())[:400]


def xml(text: str) -> str:
    """``text`` escaped for metadata.xml."""
    return escape(comment(text), {'"': "&quot;"})


def held(text: str) -> str:
    """Return the ``text`` of an ebuild after checking that every line has one of the known forms. Raises AssertionError."""
    for line in text.split("\n"):
        if not _LINES.fullmatch(line):
            raise AssertionError(f"this line is none that may be in an ebuild: {line!r}")
    return text

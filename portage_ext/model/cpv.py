"""A package version has exactly one spelling; anything that PMS 3.1 and 3.2 do not allow is refused."""

from __future__ import annotations

import re
from typing import Final

from portage_ext.errors import InvalidCpvError
from portage_ext.records import record

_VERSION: Final = r"\d+(?:\.\d+)*[a-z]?(?:_(?:pre|p|beta|alpha|rc)\d*)*"
_CATEGORY: Final = re.compile(r"\w[\w+.-]*", re.ASCII)
_PF: Final = re.compile(
    rf"(?P<pn>\w[\w+-]*?(?P<versionlike>-{_VERSION}(?:-r\d+)?)?)-(?P<version>{_VERSION})(?:-r(?P<revision>\d+))?", re.ASCII
)


@record(order=True)
class Cpv:
    """One version of one package: category, package name, and version with its revision as it was written (PVR)."""

    category: str
    pn: str
    pvr: str

    @classmethod
    def parse(cls, text: str) -> Cpv:
        """Split ``category/name-version[-rN]``. Raises InvalidCpvError for anything else (PMS 3.1, 3.2)."""
        category, slash, pf = text.partition("/")
        match = _PF.fullmatch(pf) if slash and _CATEGORY.fullmatch(category) else None
        # PMS 3.1.2: a package name does not end in something that looks like a version.
        if match is None or match["versionlike"] is not None:
            raise InvalidCpvError(text)
        pn = match["pn"]
        return cls(category, pn, pf[len(pn) + 1 :])

    @property
    def cp(self) -> str:
        """``category/name``."""
        return f"{self.category}/{self.pn}"

    @property
    def pf(self) -> str:
        """``name-version``, as PF in an ebuild."""
        return f"{self.pn}-{self.pvr}"

    def __str__(self) -> str:
        return f"{self.category}/{self.pn}-{self.pvr}"

"""Installed packages that a GLSA calls vulnerable, and where the version that mends them can be had. Nothing is fetched.

What a binhost offers is what its index said when emerge last read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from portage_ext import shown
from portage_ext.errors import InvalidIndexError
from portage_ext.host.glsas import Glsas
from portage_ext.host.here import Here
from portage_ext.index.text import parse_index
from portage_ext.model import IndexEntry
from portage_ext.model.release import PLAIN_FORM
from portage_ext.model.vulnerable import Vulnerable
from portage_ext.policy import health
from portage_ext.policy.health import Area, Finding
from portage_ext.trust.defeats import BinrepoValues
from portage_ext.words import counted

AREA: Final = "GLSAs"
_CACHED: Final = "var/cache/edb/binhost"
"""Below EROOT: where Portage keeps the indexes (bintree._populate_remote_repo)."""


def area(host: Here, repos: Sequence[BinrepoValues]) -> Area:
    """The area of `check`. It asks Portage, which is not thread-safe."""
    glsas = Glsas()
    if not glsas:
        return Area(AREA, "the ebuild repository has none")
    found = glsas.installed()
    findings = [_finding(one, _offers(glsas, one, host, repos)) for one in found]
    if glsas.unread is not None:
        again = "emerge --sync; if that does not help, tell the administrator of the ebuild repository"
        findings.append(health.warning(str(glsas.unread), again))
    return Area(AREA, f"{counted(len(found), 'vulnerable package')} installed" if found else "none applies", tuple(findings))


def _finding(one: Vulnerable, offers: Sequence[str]) -> Finding:
    what = f"{one.cpv} is vulnerable: {one}"
    name, first = one.advisories[0].name, one.advisories[-1].glsa
    if offers:
        what += f"; offered: {', '.join(offers)}"
    elif one.offered:
        what += "; no binhost offers it"
    if offers or one.offered:
        return health.error(what, f"emerge --ask --oneshot --update {name}:{one.slot.partition('/')[0]}")
    if any(advisory.unaffected for advisory in one.advisories):
        return health.warning(
            f"{what}; neither a binhost nor a visible ebuild has it", "emerge --sync, and then run this again"
        )
    return health.warning(what, f"https://security.gentoo.org/glsa/{first} says what to do, such as to remove the package")


def _offers(glsas: Glsas, one: Vulnerable, host: Here, repos: Iterable[BinrepoValues]) -> list[str]:
    """The newest version that mends ``one`` in each binrepo that has any, with the name of the binrepo."""
    found = []
    for repo in repos:
        if mending := glsas.mending(one, _entries(repo, host, one.advisories[0].name)):
            found.append(f"{mending[-1]} [{shown.line(repo.name or repo.sync_uri)}]")
    return found


def _entries(repo: BinrepoValues, host: Here, name: str) -> Iterator[IndexEntry]:
    """The entries of the package ``name`` in the index of ``repo`` as this host has it; none if it has not."""
    parts = urlsplit(repo.sync_uri)
    local = parts.scheme in ("", "file")
    path = Path(parts.path) if local else host.eroot / _CACHED / (parts.hostname or "") / parts.path.lstrip("/")
    try:
        with (path / PLAIN_FORM).open("rb") as file:
            yield from (one for one in parse_index(file, str(path))[1] if one.get("CPV").startswith(f"{name}-"))
    except (OSError, InvalidIndexError):
        return

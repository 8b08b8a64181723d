"""What Portage does with each URL of PORTAGE_BINHOST when binrepos.conf exists too. Pure functions; Portage is not imported.

This follows ``portage.binrepo.config.BinRepoConfigLoader``, which behaves the same in every supported Portage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from portage_ext import shown
from portage_ext.trust.defeats import BinrepoValues


@dataclass(frozen=True, slots=True)
class Named:
    """A URL of PORTAGE_BINHOST: ``what`` Portage does with it, and the ``remedy``.

    ``section`` is the section of binrepos.conf with the same URL (empty: none).
    """

    url: str
    section: str
    what: str
    remedy: str


def named(variable: str, binrepos: Sequence[BinrepoValues]) -> Iterator[Named]:
    """Yield each URL of ``variable``, the value of PORTAGE_BINHOST.

    ``binrepos`` are all binrepos that Portage read from binrepos.conf and PORTAGE_BINHOST together.
    """
    sections = {one.sync_uri.rstrip("/"): one.name for one in binrepos if not one.from_binhost_variable}
    made = {one.sync_uri.rstrip("/"): one.name for one in binrepos if one.from_binhost_variable}
    homeless = [f"[{one.name}]" for one in binrepos if one.location is None and not one.from_binhost_variable]
    to_pkgdir = f"; because PORTAGE_BINHOST is set, packages of {' '.join(homeless)} are kept in PKGDIR" if homeless else ""
    for url in dict.fromkeys(one.rstrip("/") for one in variable.split()):
        told = f"PORTAGE_BINHOST names {shown.line(url)}"
        if url in sections:
            same = f"as [{sections[url]}] of binrepos.conf does"
            what = f"{told}, {same}: Portage uses the section and ignores the URL{to_pkgdir}"
            yield Named(url, sections[url], what, "remove it from PORTAGE_BINHOST")
        elif url in made:
            what = (
                f"{told}, which no section of binrepos.conf has: Portage uses it as another binhost, named {made[url]}, "
                "before sections without a higher priority, and asks for no signature unless FEATURES has "
                f"binpkg-request-signature; its packages are kept in PKGDIR{to_pkgdir}"
            )
            yield Named(url, "", what, "give it a section in binrepos.conf, and remove it from PORTAGE_BINHOST")

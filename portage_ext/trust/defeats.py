"""Settings that silently disable verification are found and named, each with the line to change. Portage is not imported.

The values come from Portage's own evaluation of make.conf and binrepos.conf, so the result matches what emerge will do.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from posixpath import normpath
from urllib.parse import urlsplit

from portage_ext.config.binrepos import command_line


@dataclass(frozen=True, slots=True)
class BinrepoValues:
    """The settings of one binrepo as Portage read them from binrepos.conf (portage(5)); None if a setting is absent."""

    name: str
    sync_uri: str
    location: str | None = None
    fetchcommand: str | None = None
    resumecommand: str | None = None
    verify_signature: bool | None = None
    from_binhost_variable: bool = False
    """True if the binrepo comes from PORTAGE_BINHOST, not from binrepos.conf."""


@dataclass(frozen=True, slots=True)
class Defeat:
    """A setting that disables verification: for which binrepo (empty: for all), what happens, and the line to change."""

    binrepo: str
    what: str
    line: str

    def __str__(self) -> str:
        return f"{f'[{self.binrepo}] ' if self.binrepo else ''}{self.what}; change it: {self.line}"


def find(features: Collection[str], pkgdir: str, binrepos: Sequence[BinrepoValues], guarded: Collection[str]) -> list[Defeat]:
    """Return the settings that disable verification on this host. ``guarded`` are the binrepos that have pinned keys.

    The list is empty if no binrepo has pinned keys and no setting disables signatures.
    """
    return [
        *_features(features),
        *_binhost_variable(binrepos, guarded),
        *(defeat for one in binrepos for defeat in _binrepo(one, features, pkgdir, one.name in guarded)),
        *_shared_cache(binrepos, guarded),
    ]


def _features(features: Collection[str]) -> Iterator[Defeat]:
    if "binpkg-ignore-signature" in features:
        yield Defeat(
            "",
            "FEATURES has binpkg-ignore-signature: no signature of any binary package is looked at",
            'FEATURES="${FEATURES} -binpkg-ignore-signature" in make.conf',
        )


def _binhost_variable(binrepos: Sequence[BinrepoValues], guarded: Collection[str]) -> Iterator[Defeat]:
    named = [one.sync_uri for one in binrepos if one.from_binhost_variable]
    if named and guarded:
        yield Defeat(
            "",
            f"PORTAGE_BINHOST names {' '.join(named)} beside binrepos.conf: packages of every binrepo then go to PKGDIR, and "
            "verify-signature is lost for them",
            "remove PORTAGE_BINHOST from make.conf and the environment, and give it a section in binrepos.conf",
        )


def _binrepo(one: BinrepoValues, features: Collection[str], pkgdir: str, guarded: bool) -> Iterator[Defeat]:
    if one.from_binhost_variable:
        return
    if (
        one.location is not None
        and one.verify_signature
        and normpath(one.location) == normpath(pkgdir)
        and "binpkg-request-signature" not in features
    ):
        yield Defeat(
            one.name,
            f"its location is PKGDIR ({pkgdir}): verify-signature is lost once a package lies there",
            f"location = /var/cache/binhost/{one.name} in its section of binrepos.conf",
        )
    if not guarded:
        return
    if one.sync_uri.partition(":")[0] == "file" or "://" not in one.sync_uri:
        yield Defeat(
            one.name,
            "its sync-uri is a path of this machine, which Portage opens itself: neither Release nor index is verified",
            "sync-uri = an http://, https:// or ssh:// address in its section of binrepos.conf",
        )
    if one.verify_signature is False:
        yield Defeat(one.name, "verify-signature is off", "verify-signature = true in its section of binrepos.conf")
    for key, command in (("fetchcommand", one.fetchcommand), ("resumecommand", one.resumecommand)):
        if not _ours(command, one.name):
            yield Defeat(
                one.name,
                f"keys are pinned for it, but its {key} is not `portage-ext fetch` for it: nothing checks them",
                f"{command_line(one.name, resume=key == 'resumecommand')} in its section of binrepos.conf",
            )


def _shared_cache(binrepos: Sequence[BinrepoValues], guarded: Collection[str]) -> Iterator[Defeat]:
    places: dict[tuple[str, str], BinrepoValues] = {}
    for one in binrepos:
        try:
            parts = urlsplit(one.sync_uri)
        except ValueError:
            continue  # no URL: nothing is fetched from it
        place = (parts.hostname or "", parts.path.strip("/"))
        other = places.setdefault(place, one)
        if other is not one and guarded and not {one.name, other.name}.isdisjoint(guarded):
            yield Defeat(
                one.name,
                f"Portage keeps its index in the same place as that of [{other.name}] (port and scheme do not count): either "
                "may be taken for the other",
                "give one of them another host name or path in sync-uri",
            )


def is_ours(command: str) -> bool:
    """Whether a fetchcommand runs ``portage-ext fetch``."""
    words = _words(command)
    return len(words) > 1 and words[0].rpartition("/")[2] == "portage-ext" and words[1] == "fetch"


def _ours(command: str | None, binrepo: str) -> bool:
    """Whether ``command`` runs our fetcher for this binrepo."""
    return is_ours(command or "") and any(pair == ("--repo", binrepo) for pair in pairwise(_words(command or "")))


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []

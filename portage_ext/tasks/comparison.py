"""Compare this host's configuration with that of a binhost, as its release, a builder.json or a file describes it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from portage_ext.errors import NoBuilderError, RequestError
from portage_ext.fetch import builder as fetching
from portage_ext.fetch.builder import Described
from portage_ext.host import cpu as asking
from portage_ext.host.builder import assigned, behind, inherited
from portage_ext.host.builder import builder as own_builder
from portage_ext.host.here import binrepos, here
from portage_ext.host.licences import groups
from portage_ext.index.text import parse_index
from portage_ext.model import builder
from portage_ext.model.builder import Builder
from portage_ext.model.release import PLAIN_FORM
from portage_ext.policy.compare import Finding, Known
from portage_ext.policy.compare import compare as differences
from portage_ext.tasks.site import Site

_VARIABLES: Final = ("ACCEPT_KEYWORDS", "ACCEPT_LICENSE", "CHOST", "USE")


@dataclass(frozen=True, slots=True)
class Comparison:
    """The description of the other host, what differs on this host, and what was found out for the comparison."""

    theirs: Described
    findings: Sequence[Finding]
    known: Known


def compare(what: str, *, unverified: bool = False, warn: Callable[[str], None] = lambda text: None) -> Comparison:
    """Compare this host with ``what``: a section of binrepos.conf or its sync-uri, a release or channel of a tree on this
    machine, or a builder.json.

    ``unverified``: accept unsigned data from a URL. ``warn`` is called with failed attempts.

    Raises RequestError, SettingsError, NoBuilderError, InvalidBuilderError, the TrustError that refused it,
    AllMirrorsFailedError, OSError.
    """
    here()  # first report a configuration that Portage cannot read
    return compared(described(what, unverified=unverified, warn=warn))


def compared(theirs: Described) -> Comparison:
    """Compare this host with ``theirs``. Raises SettingsError."""
    here()
    ours = own_builder()
    known = _known(ours, theirs)
    return Comparison(theirs, differences(ours, theirs.builder, known), known)


def described(what: str, *, unverified: bool, warn: Callable[[str], None]) -> Described:
    """What describes the other host; the parameters and errors are those of :func:`compare`."""
    path = Path(what)
    if path.is_dir():
        return _directory(path)
    if path.is_file():
        return Described(builder.read(path), None, verified=False)
    return _remote(what, unverified=unverified, warn=warn)


def _directory(path: Path) -> Described:
    """The builder.json of a release or channel in a tree on this machine, as its index binds it."""
    if not (path / builder.NAME).is_file():
        raise NoBuilderError(str(path))
    index = path / PLAIN_FORM
    text = index.read_bytes() if index.is_file() else None
    return Described(builder.read(path / builder.NAME), text, verified=False)


def _remote(what: str, *, unverified: bool, warn: Callable[[str], None]) -> Described:
    host, known = here(), binrepos()
    address = what.rstrip("/")
    found = next((one for one in known if one.name == what or one.sync_uri.rstrip("/") == address), None)
    if found is None and "://" not in what:
        names = ", ".join(one.name for one in known) or "none"
        raise RequestError(f"{what} is not a file, a directory or a section of binrepos.conf (sections: {names})")
    if found is None and not unverified:
        raise RequestError(
            f"{what} is not the sync-uri of a section of binrepos.conf, so no key proves whose it is. Give it a section and "
            "`portage-ext trust add`, or compare without a proof with --unverified"
        )
    if found is not None and ("://" not in found.sync_uri or found.sync_uri.startswith("file://")):
        # Portage opens this kind of URL itself.
        return _directory(Path(found.sync_uri.removeprefix("file://")))
    name, base = (found.name, found.sync_uri) if found else ("unverified", address)
    site = Site.read(host.config_root, host.eroot, client_only=True)
    with site.binrepo(name, base, warn=_Once(warn)) as binrepo:
        return fetching.unverified(binrepo) if unverified else fetching.verified(binrepo, int(time.time()))


class _Once:
    """Prints each message once, because a mirror that does not answer is asked again."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: set[str] = set()

    def __call__(self, text: str) -> None:
        if text not in self._said:
            self._say(text)
        self._said.add(text)


def _known(ours: Builder, described: Described) -> Known:
    theirs = described.builder
    profiles, profile_use = inherited()
    known = Known(
        asking.judge_builder(theirs),
        asking.here().level,
        licences=groups((*ours.accept_license, *theirs.accept_license)),
        behind=behind(ours, theirs),
        places=assigned((*_VARIABLES, *ours.use_expand, *theirs.use_expand)),
        profiles=profiles,
        profile_use=profile_use,
    )
    if described.index is None:
        return known
    from portage_ext.host import offered

    entries = list(parse_index(io.BytesIO(described.index))[1])
    return replace(known, packages=offered.differing(entries), unbuilt=offered.unbuilt(entries))

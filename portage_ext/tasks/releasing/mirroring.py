"""Push releases to the mirrors in portage-ext.toml, or ask how far they are behind. A failed mirror does not stop the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from portage_ext.config.publishing import MirrorSettings
from portage_ext.errors import RequestError
from portage_ext.errors.releases import MirrorPushError
from portage_ext.releases.mirror import Lag, Mirror, Pushed
from portage_ext.tasks.site import Site


@dataclass(frozen=True, slots=True)
class Mirrored:
    """One mirror: how far it was ``behind`` before, what was ``sent`` (None: nothing was to be sent), or the ``error``."""

    name: str
    behind: Sequence[Lag] = ()
    sent: Pushed | None = None
    error: MirrorPushError | None = None


def mirror(
    site: Site,
    name: str | None = None,
    *,
    to: str | None = None,
    repository: str | None = None,
    tree: Path | None = None,
    send: bool = True,
) -> Iterator[Mirrored]:
    """Push to the mirror ``name`` of ``repository`` (None: to all of them), or to the place ``to``; without ``send`` only ask.

    Yields one result a mirror, as each ends. Raises RequestError.
    """
    source = site.tree(repository, tree)
    for chosen in _chosen(site, name, to, repository):
        yield _mirrored(Mirror(chosen.name, chosen.to, source, chosen.channels, chosen.options), send=send)


def _mirrored(one: Mirror, *, send: bool) -> Mirrored:
    try:
        # Without the lock, which would stop publishing during the push. If a release is pruned while it is sent, this run
        # fails and the next sends the newer release.
        lags = one.lag()
        return Mirrored(one.name, lags, one.push() if send else None)
    except MirrorPushError as error:
        return Mirrored(one.name, error=error)


def _chosen(site: Site, name: str | None, to: str | None, repository: str | None) -> list[MirrorSettings]:
    if to:
        return [MirrorSettings(name or to, to)]
    every = {one.name: one for one in site.settings.publishing.mirrors.values() if one.repository == repository}
    if name is None:
        if not every:
            raise RequestError("portage-ext.toml has no [mirror.NAME] for this repository. Add one, or name a place with --to")
        return list(every.values())
    if name not in every:
        raise RequestError(
            f"portage-ext.toml has no [mirror.{name}] for this repository (mirrors: {', '.join(every) or 'none'})"
        )
    return [every[name]]

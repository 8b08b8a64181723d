"""Deltas from kept releases to what a channel serves are made on request, and published as a release with the same content."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from portage_ext.errors.releases import UnknownNumberError
from portage_ext.releases.beside import FROM_EARLIER
from portage_ext.tasks.releasing.overrides import NONE, Overrides
from portage_ext.tasks.releasing.publishing import Outcome, publisher
from portage_ext.tasks.site import Site


def add(
    site: Site,
    channel: str | None = None,
    numbers: Sequence[int] = (),
    *,
    overrides: Overrides = NONE,
    warn: Callable[[str], None] = lambda text: None,
) -> Outcome:
    """Publish the content of ``channel`` (None: as configured) again, with deltas from the releases ``numbers``.

    Without numbers, all earlier releases of the channel count. If these add no delta, nothing is published. ``warn`` gets
    one line for each package that has no delta, with the reason. Raises UnknownChannelError, UnknownNumberError, and what
    publishing.renew raises.
    """
    channel = channel or site.channel()
    tree = site.tree(overrides.repository, overrides.tree)
    live, known = tree.live(channel), tree.known()
    for one in numbers:
        if one not in known:
            raise UnknownNumberError(str(one), str(tree.root), tuple(known))
    bases = numbers or [number for number, release in known.items() if release.channel == channel and number != live]
    with publisher(site, channel, overrides, bases=bases, warn=warn) as (made, _):
        return Outcome(channel, made.renew(channel, force=FROM_EARLIER))

"""The gates of a channel, by the names in portage-ext.toml or on the command line. Portage is imported if a gate needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from portage_ext.config.table import SETTINGS_FILE
from portage_ext.errors import SettingsError, UsageError
from portage_ext.releases import gates
from portage_ext.releases.gates import GATES, Advisories, Context, Gate, Install, Masked, Missing, Unsatisfied
from portage_ext.tasks.site import Site

if TYPE_CHECKING:
    from portage_ext.gpkg.verify import Judge, Matched


class _Portage:
    """The Portage of this host."""

    def unsatisfied(self, provided: Sequence[str]) -> Unsatisfied:
        from portage_ext.host.closure import Closure

        return Closure(provided)

    def missing_licences(self, accepted: Sequence[str]) -> Missing:
        from portage_ext.host.licences import LicencePolicy

        return LicencePolicy(accepted)

    def advisories(self) -> Advisories:
        from portage_ext.host.glsas import Glsas

        return Glsas()

    def install(self) -> Install:
        from portage_ext.host.scratch import merge_into_scratch

        return merge_into_scratch

    def masked(self) -> Masked:
        from portage_ext.host.scratch import masked_here

        return masked_here


def check_configured(site: Site) -> None:
    """Raises SettingsError when portage-ext.toml names a gate that does not exist."""
    publishing = site.settings.publishing
    named = {"publish": publishing.rules, **{f"publish.channel.{name}": one for name, one in publishing.channels.items()}}
    for table, rules in named.items():
        if wrong := gates.unknown(rules.gates or ()):
            path = str(site.config_root / SETTINGS_FILE)
            raise SettingsError(path, f"{table}.gates: there is no gate {wrong[0]}; there are {', '.join(GATES)}")


def gates_of(site: Site, channel: str, names: Sequence[str] | None, judge: Judge, matched: Matched | None = None) -> list[Gate]:
    """The gates ``names`` (None: as configured) for ``channel``; ``judge`` believes signatures. Packages in ``matched`` are not
    compared with their Manifests again.

    Raises UsageError, SettingsError, GateUnavailableError.
    """
    settings = site.settings.publishing
    rules = settings.of(channel)
    if names is None:
        check_configured(site)
        names = GATES if rules.gates is None else rules.gates
    elif wrong := gates.unknown(names):
        raise UsageError(f"there is no gate {wrong[0]}; there are {', '.join(GATES)}")
    return gates.made(names, Context(rules, judge, _Portage(), channel in settings.public, matched))

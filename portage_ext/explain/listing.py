"""Whether package.env, and what holds for the whole run, let a candidate in; and if not, who says so."""

from __future__ import annotations

import shlex
from functools import cached_property
from typing import Any, Final

from _emerge.main import parse_opts

from portage_ext.emerge import whitelist
from portage_ext.emerge.whitelist import Whitelist
from portage_ext.explain import objections
from portage_ext.explain.resolution import Resolution
from portage_ext.explain.verdict import Listing, Offer
from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.policy.getbinpkg import Run, effect

EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("_emerge.main:parse_opts", ("tmpcmdline",), ("silent",)),
    Names("portage.package.ebuild.config:config.__init__", ("backupenv", "configdict")),
    *whitelist.EXPECTED,
)


class Listings:
    """Judges the candidates of one resolution."""

    def __init__(self, resolution: Resolution) -> None:
        self._options = resolution.options
        self._settings = resolution.settings
        self._hides_local = resolution.hides_local
        self._run = resolution.run
        self._whitelist = Whitelist(resolution.settings, resolution.run)

    def of(self, cpv: Any, offer: Offer) -> Listing:
        """Whether the candidate ``cpv`` is let in."""
        where, without = self._off
        if not where:
            return self._entry(self._whitelist, cpv, offer, hides_local=self._hides_local)
        if offer.binrepo is None and any(self._options.get(one) is True for one in ("--usepkg", "--usepkgonly")):
            return Listing(True)
        # What else would hold it back, were the run not off.
        run = Run(self._on_without_environment if self._run.off_in_environment else self._run.on)
        entry = self._entry(Whitelist(self._settings, run), cpv, offer, hides_local=not run.on)
        return Listing(False, entry.why, entry.atom, entry.where, entry.allowed, where, without)

    @cached_property
    def _off(self) -> tuple[str, str]:
        """What switches getbinpkg off for the whole run, and what a shell runs emerge by without it; empty: nothing does."""
        if self._options.get("--getbinpkg") is False:
            defaults = parse_opts(shlex.split(self._settings.get("EMERGE_DEFAULT_OPTS", "")), silent=True)[1]
            place = "EMERGE_DEFAULT_OPTS" if defaults.get("--getbinpkg") is False else "the command line"
            return f"--getbinpkg=n, {place}", ""
        if self._run.off_in_environment:
            left = [one for one in self._settings.backupenv["FEATURES"].split() if one not in ("-getbinpkg", "-*")]
            without = f"FEATURES={shlex.quote(' '.join(left))}" if left else "env -u FEATURES"
            return "FEATURES in the environment", without
        return "", ""

    @property
    def _on_without_environment(self) -> bool:
        layers = (self._settings.configdict[name].get("FEATURES", "") for name in ("globals", "defaults", "conf"))
        return effect(" ".join(layers).split()) is True

    @staticmethod
    def _entry(whitelist: Whitelist, cpv: Any, offer: Offer, *, hides_local: bool) -> Listing:
        local = offer.binrepo is None and (not hides_local or whitelist.is_on(cpv))
        if local or (offer.binrepo is not None and whitelist.accepts(cpv, offer.binrepo)):
            return Listing(True)
        rule = whitelist.rule(cpv)
        atom, where = objections.entry_against(whitelist, cpv, offer.binrepo)
        if rule.getbinpkg is False:
            return Listing(False, "off", atom, where)
        bound = rule.binrepos is not None and offer.binrepo is not None and offer.binrepo not in rule.binrepos
        if bound and (rule.getbinpkg or whitelist.run.on):
            return Listing(False, "binhost", atom, where, tuple(sorted(rule.binrepos or ())))
        return Listing(False, "unlisted")

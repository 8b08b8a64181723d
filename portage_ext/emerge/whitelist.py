"""package.env as Portage reads and stacks it, turned into the values on which ``policy/getbinpkg`` decides.

Portage's own configuration object decides which entries apply to a package and in what order, and how env files expand
variables and source each other. Env files that cannot concern getbinpkg are never parsed: a host without such entries only
reads each file once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from portage.dep import match_from_list
from portage.exception import PortageException
from portage.package.ebuild._config.helper import ordered_by_atom_specificity

from portage_ext.emerge.relevance import FROM, concerns
from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.policy.getbinpkg import PackageRule, Run, accepts, effect, is_on

_CONFIG: Final = "portage.package.ebuild.config:config"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Function(f"{_CONFIG}._grab_pkg_env", ("self", "penv", "container"), callers=(f"{_CONFIG}.setcpv",)),
    Names(f"{_CONFIG}.__init__", ("_penvdict", "configdict", "_expand_map")),
    Function("portage.package.ebuild._config.helper:ordered_by_atom_specificity", ("cpdict", "pkg")),
    Function("portage.dep:match_from_list", ("mydep", "candidate_list")),
)
_NOTHING = PackageRule()


class Whitelist:
    """The rules of one configuration (a ``portage.config``) for one run."""

    def __init__(self, settings: Any, run: Run) -> None:
        self.settings = settings
        self.run = run
        self.config_directory = Path(settings["PORTAGE_CONFIGROOT"], "etc/portage")
        self.env_directory = self.config_directory / "env"
        self._concerns: dict[str, bool | None] = {}
        self._rules: dict[tuple[str, ...], PackageRule] = {(): _NOTHING}
        self.unparsable: dict[str, str] = {}

    def rule(self, cpv: Any) -> PackageRule:
        """What package.env says about ``cpv``, a ``_pkg_str`` with slot and repository."""
        entries = self.settings._penvdict.get(cpv.cp)
        if not entries:
            return self._with_default(_NOTHING)
        names = [name for value in ordered_by_atom_specificity(entries, cpv) for name in value]
        return self._with_default(self.rule_of(tuple(names)))

    def rule_of(self, names: tuple[str, ...]) -> PackageRule:
        """What the env files ``names`` say together, in this order."""
        if names not in self._rules:
            self._rules[names] = self._evaluate(names)
        return self._rules[names]

    def is_on(self, cpv: Any) -> bool:
        """Whether getbinpkg is on for ``cpv``."""
        return is_on(self.run, self.rule(cpv))

    def accepts(self, cpv: Any, binrepo: str) -> bool:
        """Whether ``cpv`` is a candidate when ``binrepo`` offers it."""
        return accepts(self.run, self.rule(cpv), binrepo)

    @cached_property
    def everywhere(self) -> frozenset[str] | None:
        """GETBINPKG_FROM of make.conf or the profile, which applies if package.env does not set it."""
        return self._binrepos_in("conf", "defaults")

    @cached_property
    def in_environment(self) -> frozenset[str] | None:
        """GETBINPKG_FROM of the environment, which applies to all packages, as any variable there does."""
        return self._binrepos_in("env")

    def _binrepos_in(self, *layers: str) -> frozenset[str] | None:
        for layer in layers:
            value = self.settings.configdict[layer].get(FROM, "").split()
            if value:
                return frozenset(value)
        return None

    @cached_property
    def listed(self) -> frozenset[str]:
        """The package names and wildcards for which getbinpkg may differ from the run: the rest follows ``run.on``."""
        return frozenset(cp for cp, names in self._entries() if self._matters(self.rule_of(names)))

    def _matters(self, rule: PackageRule) -> bool:
        if self.run.on:
            return rule.getbinpkg is False or rule.binrepos is not None
        return rule.getbinpkg is True and is_on(self.run, rule)

    @property
    def changes_nothing(self) -> bool:
        """Whether package.env makes no difference to this run."""
        return not self.listed and not (self.run.on and (self.everywhere or self.in_environment))

    @property
    def wants_remote(self) -> bool:
        """Whether any remote package can be a candidate."""
        return self.run.on or bool(self.listed)

    def wants(self, binrepo: str) -> bool:
        """Whether any package can come from ``binrepo``: if not, it need not even be asked."""
        if self.in_environment is not None:
            return binrepo in self.in_environment
        if self.run.on:
            return True
        everywhere = self.everywhere
        named = [self.rule_of(names).binrepos or everywhere for _, names in self._entries()]
        return any(binrepos is None or binrepo in binrepos for binrepos in named)

    def _entries(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Package name or wildcard, and the env files of each entry that may concern getbinpkg."""
        for cp, atoms in self.settings._penvdict.items():
            for names in atoms.values():
                if any(self.concerns(name) for name in names):
                    # Each file by itself too: another entry of the same package may take back what this list says in the end.
                    for name in names:
                        yield cp, (name,)
                    yield cp, tuple(names)

    def concerns(self, name: str) -> bool | None:
        """Whether the env file ``name`` can say anything about getbinpkg; None when it cannot be read."""
        if name not in self._concerns:
            self._concerns[name] = concerns(str(self.env_directory / name))
        return self._concerns[name]

    def _evaluate(self, names: Iterable[str]) -> PackageRule:
        readable = [name for name in names if self.concerns(name) is not None]
        if not any(self.concerns(name) for name in readable):
            return _NOTHING
        values: dict[str, str] = {}
        try:
            self.settings._grab_pkg_env(readable, values)
        except (PortageException, ValueError) as error:  # ValueError: shlex's, which Portage passes on
            if len(readable) == 1:
                self.unparsable[readable[0]] = str(error)
            else:
                for name in readable:
                    self.rule_of((name,))
            return _NOTHING
        binrepos = frozenset(values[FROM].split()) if values.get(FROM, "").strip() else None
        return PackageRule(effect(values.get("FEATURES", "").split()), binrepos)

    def _with_default(self, rule: PackageRule) -> PackageRule:
        binrepos = self.in_environment or rule.binrepos or self.everywhere
        return rule if binrepos == rule.binrepos else PackageRule(rule.getbinpkg, binrepos)

    def atoms_against(self, cpv: Any) -> set[str]:
        """The atoms of package.env that hold for ``cpv`` and switch getbinpkg off or bind it to binhosts."""
        entries = self.settings._penvdict.get(cpv.cp) or {}
        return {
            str(atom)
            for atom, names in entries.items()
            if match_from_list(atom, [cpv]) and self.rule_of(tuple(names)) != _NOTHING
        }

"""Which remote packages this host accepts.

A package offered by a binrepo is a candidate exactly when getbinpkg is on for it and the binrepo is allowed for it.
Everything here is a function of values; Portage's own rules decide which env files hold for a package and in what order
their FEATURES stack (see ``host/``), so that nothing about precedence is decided twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FLAG = "getbinpkg"


def effect(tokens: Iterable[str], flag: str = FLAG) -> bool | None:
    """What a list of incremental tokens says about ``flag``: switched on, off, or nothing. ``-*`` switches everything off."""
    said = None
    for token in tokens:
        if token == flag:
            said = True
        elif token in (f"-{flag}", "-*"):
            said = False
    return said


@dataclass(frozen=True, slots=True)
class Run:
    """What holds for the whole run.

    ``on``: getbinpkg is in the global FEATURES (make.conf, profile, environment), or was asked for on the command line.
    ``off_in_environment``: the caller's environment takes getbinpkg out of FEATURES; Portage lets that win over package.env.
    """

    on: bool
    off_in_environment: bool = False


@dataclass(frozen=True, slots=True)
class PackageRule:
    """What the env files of one package say.

    ``getbinpkg``: switched on, off, or not mentioned. ``binrepos``: the binhosts that GETBINPKG_FROM names, or None for any.
    """

    getbinpkg: bool | None = None
    binrepos: frozenset[str] | None = None


def is_on(run: Run, rule: PackageRule) -> bool:
    """Whether getbinpkg is on for a package.

    A run that is on holds back only packages that are switched off by name, also when it was the caller's environment that
    switched it on (Portage would let the environment override package.env; see docs/adr/0002).
    """
    if rule.getbinpkg is None:
        return run.on
    if rule.getbinpkg:
        return run.on or not run.off_in_environment
    return False


def accepts(run: Run, rule: PackageRule, binrepo: str) -> bool:
    """Whether a package that ``binrepo`` offers is a candidate."""
    return is_on(run, rule) and (rule.binrepos is None or binrepo in rule.binrepos)

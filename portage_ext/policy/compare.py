"""A client beside its binhost: what makes binaries unusable, which traps wait, what is merely different. Pure.

Both sides are told in the same words (model/builder.py), so that everything here is a comparison of two values. Each finding
names what happens and the line or command that ends it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from portage_ext.model.builder import Builder
from portage_ext.policy import licences
from portage_ext.policy.cpu import Fit, Judgement, is_native, machine_flags
from portage_ext.words import counted

VIDEO_CARDS: Final = "VIDEO_CARDS"
_TARGETS: Final = ("_TARGETS", "_SINGLE_TARGET", "_TARGET")
_VARIABLES: Final = {"GPU (VIDEO_CARDS)": VIDEO_CARDS, "keywords": "ACCEPT_KEYWORDS", "licence": "ACCEPT_LICENSE"}
"""Findings that are not called as the variable is."""
PACKAGE_USE: Final = "/etc/portage/package.use"


class Grade(StrEnum):
    """How much a finding matters."""

    UNUSABLE = "unusable"
    TRAP = "trap"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Finding:
    """``name`` is what it is about, ``what`` what happens, ``remedy`` what to do: sentences, and lines to write.

    ``where`` is the line of this host's configuration that says so, empty where there is none.
    """

    grade: Grade
    name: str
    what: str
    remedy: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class PackageUse:
    """An installed package that the binhost offers with other flags: those on only here, and those on only there."""

    atom: str
    cpv: str
    here: tuple[str, ...]
    there: tuple[str, ...]

    @property
    def line(self) -> str:
        """The line of package.use that makes this host want what is offered."""
        return " ".join((self.atom, *(f"-{flag}" for flag in self.here), *self.there))


@dataclass(frozen=True, slots=True)
class Known:
    """What this host's CPU, ebuild repositories and installed packages say of a binhost."""

    cpu: Judgement
    """Whether their code runs here."""
    level: int | None = None
    """The level of x86-64 that this CPU reaches."""
    packages: Sequence[PackageUse] = ()
    unbuilt: Sequence[str] = ()
    """The atoms of this host's world of which their index has no package."""
    licences: licences.Groups = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    """Where this host sets a variable: ``file:line``."""
    behind: Mapping[str, bool] = field(default_factory=dict)
    """The packages of the toolchain whose newest version differs; True: it is newer there."""


def compare(ours: Builder, theirs: Builder, known: Known) -> list[Finding]:
    """What differs, the worst first; of a host without a profile, that alone."""
    if not ours.arch:
        remedy = "eselect profile list, and then eselect profile set with one of its numbers"
        return [Finding(Grade.UNUSABLE, "profile", "this host has none: Portage knows neither its ARCH nor its CHOST", remedy)]
    found = [
        *_machine(ours, theirs),
        *_cpu(theirs, known),
        *_keywords(ours, theirs),
        *_licences(ours, theirs, known.licences),
        *_groups(ours, theirs),
        *_use(ours, theirs),
        *_packages(known.packages),
        *_world(theirs, known.unbuilt),
        *_toolchain(ours, theirs, known.behind),
    ]
    placed = [replace(one, where=known.places.get(_VARIABLES.get(one.name, one.name), "")) for one in found]
    return sorted(placed, key=lambda one: list(Grade).index(one.grade))


def _machine(ours: Builder, theirs: Builder) -> Iterator[Finding]:
    if not _accepts_chost(ours, theirs.chost):
        yield Finding(
            Grade.UNUSABLE,
            "CHOST",
            f"{theirs.chost} there, {ours.chost} here: Portage takes no binary of another CHOST",
            f'use a binhost for {ours.chost}; or, if its programs run here, ACCEPT_CHOSTS="{ours.chost} {theirs.chost}" in '
            "make.conf",
        )
    if ours.arch != theirs.arch:
        yield Finding(
            Grade.UNUSABLE,
            "ARCH",
            f"its profile is for {theirs.arch}, this host's for {ours.arch}: its keywords are not accepted here",
            f"a binhost for {ours.arch} in its own section of binrepos.conf: portage-ext trust add NAME --fingerprint FPR",
        )
    elif ours.profile != theirs.profile:
        yield Finding(
            Grade.DIFFERENT,
            "profile",
            f"{theirs.profile} there, {ours.profile} here: USE, masks and libraries may differ",
            # eselect knows the profiles of ebuild repositories only.
            f"eselect profile set {shlex.quote(theirs.profile)}"
            if ":" in theirs.profile
            else "there and here, a profile of an ebuild repository",
        )


def _accepts_chost(ours: Builder, chost: str) -> bool:
    """As Portage decides (config._accept_chost): patterns, of which one must fit whole."""
    try:
        return any(re.fullmatch(pattern, chost) for pattern in ours.accept_chosts or (re.escape(ours.chost),))
    except re.error:
        return chost == ours.chost


def _cpu(theirs: Builder, known: Known) -> Iterator[Finding]:
    cpu = known.cpu
    flags = " ".join(theirs.march) or "the compiler's default"
    if cpu.fit is Fit.CANNOT:
        march = f"-march=x86-64-v{known.level}" if (known.level or 1) > 1 else "-march=x86-64"
        yield Finding(
            Grade.UNUSABLE,
            "CPU",
            f"its programs are compiled with {flags} and do not run on this CPU, which lacks {' '.join(cpu.lacking)}",
            f"on the binhost, {_cflags(theirs, (march,))} in make.conf, or what `portage-ext cpu` says on its oldest client; "
            "then emerge -e @world there, and publish; until then, here: emerge --getbinpkg=n",
        )
    elif cpu.fit is Fit.MOSTLY:
        yield Finding(
            Grade.DIFFERENT,
            "CPU",
            f"compiled with {flags}; this CPU lacks {' '.join(cpu.lacking)}, which only code that names it uses",
            'nothing, unless a program dies with SIGILL; then compile that one: FEATURES="-getbinpkg" in package.env',
        )
    elif cpu.fit is Fit.UNKNOWN:
        yield Finding(
            Grade.DIFFERENT,
            "CPU",
            f"compiled with {flags}; whether that runs here cannot be told on this host",
            f"install gcc and ask again, or on a host that has one: portage-ext cpu --flags={shlex.quote(flags)}",
        )
    if is_native(theirs.cflags):
        yield Finding(
            Grade.DIFFERENT,
            "march",
            "the binhost builds with -march=native: another machine in its place would silently build for another CPU",
            f"on the binhost, {_cflags(theirs, theirs.march)} in make.conf; then publish again",
        )


def _cflags(theirs: Builder, march: Sequence[str]) -> str:
    """Their CFLAGS, for another CPU."""
    chosen = machine_flags(theirs.cflags)
    return _setting("CFLAGS", (*march, *(flag for flag in theirs.cflags if flag not in chosen)))


def _keywords(ours: Builder, theirs: Builder) -> Iterator[Finding]:
    here, there = set(ours.accept_keywords), set(theirs.accept_keywords)
    more = {word for word in there - here if not word.startswith("-")}
    if more and not here & {"**", "~*"}:
        yield Finding(
            Grade.UNUSABLE,
            "keywords",
            f"it builds versions with the keywords {' '.join(sorted(more))}, which are masked here",
            f'ACCEPT_KEYWORDS="{" ".join(theirs.accept_keywords)}" in make.conf, or per package in '
            "/etc/portage/package.accept_keywords; or a binhost that builds what is stable",
        )
    testing = {word for word in here - there if word.startswith("~")}
    if testing and not there & {"**", "~*"}:
        yield Finding(
            Grade.DIFFERENT,
            "keywords",
            f"this host takes {' '.join(sorted(testing))}, the binhost does not: the newest versions are compiled here",
            f'ACCEPT_KEYWORDS="{" ".join(theirs.accept_keywords)}" in make.conf, or a binhost that builds what is in testing',
        )


def _licences(ours: Builder, theirs: Builder, groups: licences.Groups) -> Iterator[Finding]:
    here, there = (licences.accepted(one.accept_license, groups) for one in (ours, theirs))
    refused = licences.more(here, there, groups)
    if refused:
        but = _some([word.removeprefix("-") for word in refused[1:]])
        shown = f"any licence{but and f' but {but}'}" if refused[0] == "*" else _some(refused)
        yield Finding(
            Grade.UNUSABLE,
            "licence",
            f"it may build what is under {shown}, which ACCEPT_LICENSE here does not accept: that is masked",
            "those that are wanted, in /etc/portage/package.license or in make.conf: "
            f"{_setting('ACCEPT_LICENSE', (*ours.accept_license, *refused))}",
        )


def _groups(ours: Builder, theirs: Builder) -> Iterator[Finding]:
    for name in sorted(ours.use_expand.keys() | theirs.use_expand.keys(), key=lambda name: (name != VIDEO_CARDS, name)):
        here, there = ours.use_expand.get(name, ()), theirs.use_expand.get(name, ())
        if set(here) == set(there):
            continue
        # Not in package.use: what make.conf says of such a group wins over a line for */* there.
        line = f"{_setting(name, there)} in make.conf"
        told = f"{' '.join(there) or 'nothing'} there, {' '.join(here) or 'nothing'} here"
        missing = [value for value in here if value not in there]
        if name == VIDEO_CARDS and missing:
            yield Finding(
                Grade.TRAP,
                "GPU (VIDEO_CARDS)",
                f"{told}: its graphics packages are built without the drivers for {' '.join(missing)}, so they are compiled "
                "here, or do not drive this GPU where USE is not looked at",
                f"on the binhost and here, {_setting(name, sorted({*here, *there}))} in make.conf; then "
                "emerge -uDN @world there, and publish again",
            )
        elif name.endswith(_TARGETS):
            yield Finding(
                Grade.TRAP,
                name,
                f"{told}: every package that is built for one of them is compiled here",
                f"{line}, or the other way round on the binhost",
            )
        elif name == "CPU_FLAGS_X86" and (beyond := sorted(set(there) - set(ours.cpu_flags))) and ours.cpu_flags:
            yield Finding(
                Grade.UNUSABLE,
                name,
                f"packages there use {' '.join(beyond)}, which this CPU does not have",
                f"on the binhost, {_setting(name, sorted(set(there) & set(ours.cpu_flags)))} in make.conf; then "
                "emerge -uDN @world there, and publish again",
            )
        else:
            yield Finding(Grade.DIFFERENT, name, f"{told}: packages with these flags are compiled here", line)


def _setting(name: str, values: Iterable[str]) -> str:
    return f'{name}="{" ".join(values)}"'


def _use(ours: Builder, theirs: Builder) -> Iterator[Finding]:
    here = [flag for flag in ours.use if flag not in theirs.use]
    there = [flag for flag in theirs.use if flag not in ours.use]
    if here or there:
        said = [f"only here: {' '.join(here)}" if here else "", f"only there: {' '.join(there)}" if there else ""]
        # After what stands there: of two settings in one file the last counts alone.
        line = _setting("USE", ("${USE}", *there, *(f"-{flag}" for flag in here)))
        yield Finding(
            Grade.DIFFERENT,
            "USE",
            f"{'; '.join(filter(None, said))}: packages with these flags are compiled here",
            f"{line} in make.conf, or per package as it is wanted",
        )
    items = sorted(theirs.package_use.items())
    lines = [f"{atom} {' '.join(flags)}" for atom, flags in items if ours.package_use.get(atom) != flags]
    if lines:
        yield Finding(
            Grade.DIFFERENT,
            "package.use",
            f"{counted(len(lines), 'atom')} with other flags there: {_some(lines)}",
            f"those that are wanted here too, in {PACKAGE_USE} (all of them: --json)",
        )


_SHOWN: Final = 5


def _some(texts: Sequence[str]) -> str:
    more = [f"and {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else []
    return "; ".join((*texts[:_SHOWN], *more))


def _packages(packages: Sequence[PackageUse]) -> Iterator[Finding]:
    if packages:
        yield Finding(
            Grade.DIFFERENT,
            "installed packages",
            f"{counted(len(packages), 'package')} installed here and offered with other USE flags, and therefore compiled",
            f"in {PACKAGE_USE}, where the flags of the binhost will do: {_some([one.line for one in packages])}",
        )


def _world(theirs: Builder, unbuilt: Sequence[str]) -> Iterator[Finding]:
    if unbuilt:
        also = [atom for atom in unbuilt if atom in theirs.world]
        yield Finding(
            Grade.DIFFERENT,
            "world",
            f"{counted(len(unbuilt), 'atom')} of this host's world that no package there fits, and therefore compiled: "
            + _some(unbuilt)
            + (f" (in its own world too: {_some(also)})" if also else ""),
            f"on the binhost, emerge --buildpkg {shlex.join(unbuilt[:_SHOWN])}; then publish again",
        )


def _toolchain(ours: Builder, theirs: Builder, behind: Mapping[str, bool]) -> Iterator[Finding]:
    for name, newer_there in sorted(behind.items()):
        yield Finding(
            Grade.DIFFERENT,
            name,
            f"{' '.join(theirs.toolchain[name])} there, {' '.join(ours.toolchain[name])} here",
            f"emerge -1u {name}: a binary that needs the newer one is merged after it, or refused"
            if newer_there
            else f"nothing here, where the newer one runs what the older one built; on the binhost, emerge -1u {name}",
        )

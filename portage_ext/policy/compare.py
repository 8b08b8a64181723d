"""A client beside its binhost: what makes binaries unusable, which traps wait, what is merely different. Pure.

Both sides are told in the same words (model/builder.py), so that everything here is a comparison of two values. Each finding
names what happens and the line or command that ends it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portage_ext.model.builder import Builder
from portage_ext.policy.cpu import Fit, Judgement, is_native

VIDEO_CARDS: Final = "VIDEO_CARDS"
_TARGETS: Final = ("_TARGETS", "_SINGLE_TARGET", "_TARGET")
PACKAGE_USE: Final = "/etc/portage/package.use"


class Grade(StrEnum):
    """How much a finding matters."""

    UNUSABLE = "unusable"
    TRAP = "trap"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Finding:
    """``name`` is what it is about, ``what`` what happens, ``remedy`` what to do: sentences, and lines to write."""

    grade: Grade
    name: str
    what: str
    remedy: str


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


def compare(ours: Builder, theirs: Builder, cpu: Judgement, packages: Sequence[PackageUse] = ()) -> list[Finding]:
    """What differs, the worst first. ``cpu`` is whether their code runs here, ``packages`` what their index says of USE."""
    found = [
        *_machine(ours, theirs),
        *_cpu(theirs, cpu),
        *_accepted(ours, theirs),
        *_groups(ours, theirs),
        *_use(ours, theirs),
        *_packages(packages),
        *_toolchain(ours, theirs),
    ]
    return sorted(found, key=lambda one: list(Grade).index(one.grade))


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
            f"use a binhost for {ours.arch}",
        )
    elif ours.profile != theirs.profile:
        yield Finding(
            Grade.DIFFERENT,
            "profile",
            f"{theirs.profile} there, {ours.profile} here: USE, masks and libraries may differ",
            f"eselect profile set {theirs.profile}",
        )


def _accepts_chost(ours: Builder, chost: str) -> bool:
    """As Portage decides (config._accept_chost): patterns, of which one must fit whole."""
    try:
        return any(re.fullmatch(pattern, chost) for pattern in ours.accept_chosts or (re.escape(ours.chost),))
    except re.error:
        return chost == ours.chost


def _cpu(theirs: Builder, cpu: Judgement) -> Iterator[Finding]:
    flags = " ".join(theirs.march) or "the compiler's default"
    if cpu.fit is Fit.CANNOT:
        yield Finding(
            Grade.UNUSABLE,
            "CPU",
            f"its programs are compiled with {flags} and do not run on this CPU, which lacks {' '.join(cpu.lacking)}",
            "on the binhost, -march of the oldest client in CFLAGS (here: `portage-ext cpu`), and build anew; until then, "
            "here: emerge --getbinpkg=n",
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
            f'install gcc and ask again, or: portage-ext cpu --flags "{flags}"',
        )
    if is_native(theirs.cflags):
        yield Finding(
            Grade.DIFFERENT,
            "march",
            "the binhost builds with -march=native: another machine in its place would silently build for another CPU",
            f'on the binhost, CFLAGS="{flags} -O2 -pipe" in make.conf',
        )


def _accepted(ours: Builder, theirs: Builder) -> Iterator[Finding]:
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
    licences = ours.accept_license
    refused = [word for word in theirs.accept_license if not word.startswith("-") and word not in licences]
    refused = [] if "*" in licences else refused
    refused += [word[1:] for word in licences if word.startswith("-") and word != "-*" and word not in theirs.accept_license]
    if refused:
        yield Finding(
            Grade.UNUSABLE,
            "licence",
            f"it may build what is under {' '.join(refused)}, which ACCEPT_LICENSE here does not accept: that is masked",
            "those that are wanted, in /etc/portage/package.license or in make.conf: "
            f'ACCEPT_LICENSE="{" ".join((*licences, *refused))}"',
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
                f"on the binhost and here, {_setting(name, sorted({*here, *there}))} in make.conf; then publish again",
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
                f"on the binhost, {_setting(name, sorted(set(there) & set(ours.cpu_flags)))} in make.conf; then build anew",
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
        yield Finding(
            Grade.DIFFERENT,
            "USE",
            f"{'; '.join(filter(None, said))}: packages with these flags are compiled here",
            f'USE="{" ".join((*there, *(f"-{flag}" for flag in here)))}" in make.conf, or per package as it is wanted',
        )
    lines = {atom: flags for atom, flags in theirs.package_use.items() if ours.package_use.get(atom) != flags}
    if lines:
        shown = "; ".join(f"{atom} {' '.join(flags)}" for atom, flags in sorted(lines.items())[:_SHOWN])
        more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        yield Finding(
            Grade.DIFFERENT,
            "package.use",
            f"{_count(lines, 'atom')} with other flags there: {shown}{more}",
            f"those that are wanted here too, in {PACKAGE_USE} (all of them: --json)",
        )


_SHOWN: Final = 5


def _count(things: Sized, name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _packages(packages: Sequence[PackageUse]) -> Iterator[Finding]:
    if packages:
        shown = "; ".join(one.line for one in packages[:_SHOWN])
        more = f"; and {len(packages) - _SHOWN} more" if len(packages) > _SHOWN else ""
        yield Finding(
            Grade.DIFFERENT,
            "installed packages",
            f"{_count(packages, 'package')} installed here and offered with other USE flags, and therefore compiled",
            f"in {PACKAGE_USE}, where the flags of the binhost will do: {shown}{more}",
        )


def _toolchain(ours: Builder, theirs: Builder) -> Iterator[Finding]:
    for name in sorted(ours.toolchain.keys() & theirs.toolchain.keys()):
        if ours.toolchain[name] != theirs.toolchain[name]:
            yield Finding(
                Grade.DIFFERENT,
                name,
                f"{' '.join(theirs.toolchain[name])} there, {' '.join(ours.toolchain[name])} here",
                f"emerge -1u {name}: a binary that needs the newer one is merged after it, or refused",
            )

"""A client compared with its binhost: what makes binaries unusable, what is a trap, what is only different. Pure.

Both sides are values of one type (model/builder.py), so this module only compares two values. Each finding says what happens
and gives the line or command that fixes it.
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
"""Names of findings that differ from the name of the variable."""
PACKAGE_USE: Final = "/etc/portage/package.use"


class Grade(StrEnum):
    """How much a finding matters."""

    UNUSABLE = "unusable"
    TRAP = "trap"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Finding:
    """``name`` is the subject, ``what`` says what happens, ``remedy`` what to do, with the lines to write.

    ``where`` is the line of this host's configuration that causes it; empty if there is none.
    """

    grade: Grade
    name: str
    what: str
    remedy: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class PackageUse:
    """An installed package that the binhost offers with other flags: ``here`` are on only here, ``there`` only there."""

    atom: str
    cpv: str
    here: tuple[str, ...]
    there: tuple[str, ...]

    @property
    def line(self) -> str:
        """The line of package.use with which this host accepts the offered build."""
        return " ".join((self.atom, *(f"-{flag}" for flag in self.here), *self.there))


@dataclass(frozen=True, slots=True)
class Known:
    """What is known on this host for the comparison: its CPU, ebuild repositories and installed packages."""

    cpu: Judgement
    """Whether code of the binhost runs here."""
    level: int | None = None
    """The x86-64 level of this CPU."""
    packages: Sequence[PackageUse] = ()
    unbuilt: Sequence[str] = ()
    """The atoms of this host's world for which the binhost's index has no package."""
    licences: licences.Groups = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    """Where this host sets a variable: ``file:line``."""
    behind: Mapping[str, bool] = field(default_factory=dict)
    """The packages of the toolchain whose newest version differs. True: the binhost has the newer version."""
    profiles: Sequence[str] = ()
    """The profiles that this host's profile inherits, and itself."""
    profile_use: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What package.use of these profiles says."""


def compare(ours: Builder, theirs: Builder, known: Known) -> list[Finding]:
    """What differs, the worst first. If this host has no profile, only that."""
    if not ours.arch:
        remedy = "eselect profile list; then eselect profile set NUMBER"
        return [Finding(Grade.UNUSABLE, "profile", "this host has no profile, so Portage has no ARCH and no CHOST", remedy)]
    found = [
        *_machine(ours, theirs, known.profiles),
        *_cpu(theirs, known),
        *_keywords(ours, theirs),
        *_licences(ours, theirs, known.licences),
        *_groups(ours, theirs),
        *_use(ours, theirs, known.profile_use),
        *_packages(known.packages),
        *_world(theirs, known.unbuilt),
        *_toolchain(ours, theirs, known.behind),
    ]
    placed = [replace(one, where=known.places.get(_VARIABLES.get(one.name, one.name), "")) for one in found]
    return sorted(placed, key=lambda one: list(Grade).index(one.grade))


def _machine(ours: Builder, theirs: Builder, profiles: Sequence[str]) -> Iterator[Finding]:
    if not _accepts_chost(ours, theirs.chost):
        yield Finding(
            Grade.UNUSABLE,
            "CHOST",
            f"{theirs.chost} there, {ours.chost} here: Portage does not use binaries for another CHOST",
            f"use a binhost for {ours.chost}; or, if its programs run here, set "
            f'ACCEPT_CHOSTS="{ours.chost} {theirs.chost}" in make.conf',
        )
    if ours.arch != theirs.arch:
        yield Finding(
            Grade.UNUSABLE,
            "ARCH",
            f"{theirs.arch} there, {ours.arch} here: packages with the keywords of {theirs.arch} are masked here",
            f"add a section for a binhost for {ours.arch} to binrepos.conf; then run: "
            "portage-ext trust add NAME --fingerprint FPR",
        )
    elif ours.profile != theirs.profile and theirs.profile not in profiles:
        yield Finding(
            Grade.DIFFERENT,
            "profile",
            f"{theirs.profile} there, {ours.profile} here: USE, masks and libraries may differ",
            # eselect knows the profiles of ebuild repositories only.
            f"eselect profile set {shlex.quote(theirs.profile)}"
            if ":" in theirs.profile
            else "select a profile of an ebuild repository on both hosts",
        )


def _accepts_chost(ours: Builder, chost: str) -> bool:
    """Decide as Portage does (config._accept_chost): one pattern must match the whole CHOST."""
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
            f"on the binhost, set {_cflags(theirs, (march,))} in make.conf, or the flags that `portage-ext cpu` prints on its "
            "oldest client; then run emerge -e @world and publish. Until then, on this host: emerge --getbinpkg=n",
        )
    elif cpu.fit is Fit.MOSTLY:
        yield Finding(
            Grade.DIFFERENT,
            "CPU",
            f"compiled with {flags}; this CPU lacks {' '.join(cpu.lacking)}, which compilers use only where code asks for it",
            'nothing, unless a program dies with SIGILL; then compile that package: FEATURES="-getbinpkg" in package.env',
        )
    elif cpu.fit is Fit.UNKNOWN:
        yield Finding(
            Grade.DIFFERENT,
            "CPU",
            f"compiled with {flags}; without gcc, this host cannot tell whether that runs here",
            f"install gcc and run this command again, or run on a host with gcc: portage-ext cpu --flags={shlex.quote(flags)}",
        )
    if is_native(theirs.cflags):
        yield Finding(
            Grade.DIFFERENT,
            "march",
            "the binhost builds with -march=native: on new hardware it would silently build for another CPU",
            f"on the binhost, set {_cflags(theirs, theirs.march)} in make.conf; then publish again",
        )


def _cflags(theirs: Builder, march: Sequence[str]) -> str:
    """The CFLAGS of the binhost, with ``march`` in place of its CPU."""
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
            f'set ACCEPT_KEYWORDS="{" ".join(theirs.accept_keywords)}" in make.conf, or accept them per package in '
            "/etc/portage/package.accept_keywords; or use a binhost that builds stable versions",
        )
    testing = {word for word in here - there if word.startswith("~")}
    if testing and not there & {"**", "~*"}:
        yield Finding(
            Grade.DIFFERENT,
            "keywords",
            f"this host accepts {' '.join(sorted(testing))}, the binhost does not: the newest versions are compiled here",
            f'set ACCEPT_KEYWORDS="{" ".join(theirs.accept_keywords)}" in make.conf, or use a binhost that builds testing '
            "versions",
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
            f"it may build packages under {shown}; ACCEPT_LICENSE does not accept that here, so they are masked",
            "accept what you want in /etc/portage/package.license, or all of it in make.conf: "
            f"{_setting('ACCEPT_LICENSE', (*ours.accept_license, *refused))}",
        )


def _groups(ours: Builder, theirs: Builder) -> Iterator[Finding]:
    for name in sorted(ours.use_expand.keys() | theirs.use_expand.keys(), key=lambda name: (name != VIDEO_CARDS, name)):
        here, there = ours.use_expand.get(name, ()), theirs.use_expand.get(name, ())
        if set(here) == set(there):
            continue
        # Not in package.use: a setting in make.conf overrides a line for */* there.
        line = f"set {_setting(name, there)} in make.conf"
        told = f"{' '.join(there) or 'nothing'} there, {' '.join(here) or 'nothing'} here"
        missing = [value for value in here if value not in there]
        if name == VIDEO_CARDS and missing:
            yield Finding(
                Grade.TRAP,
                "GPU (VIDEO_CARDS)",
                f"{told}: its graphics packages lack the drivers for {' '.join(missing)}. They are compiled here, or, if "
                "emerge ignores USE for binaries, are installed and do not support this GPU",
                f"on the binhost and here, set {_setting(name, sorted({*here, *there}))} in make.conf; then "
                "run emerge -uDN @world on the binhost and publish again",
            )
        elif name.endswith(_TARGETS):
            yield Finding(
                Grade.TRAP,
                name,
                f"{told}: every package that is built for one of them is compiled here",
                f"{line}, or set the value of this host on the binhost",
            )
        elif name == "CPU_FLAGS_X86" and (beyond := sorted(set(there) - set(ours.cpu_flags))) and ours.cpu_flags:
            yield Finding(
                Grade.UNUSABLE,
                name,
                f"packages of the binhost use {' '.join(beyond)}, which this CPU does not have",
                f"on the binhost, set {_setting(name, sorted(set(there) & set(ours.cpu_flags)))} in make.conf; then "
                "run emerge -uDN @world and publish again",
            )
        else:
            yield Finding(Grade.DIFFERENT, name, f"{told}: packages with these flags are compiled here", line)


def _setting(name: str, values: Iterable[str]) -> str:
    return f'{name}="{" ".join(values)}"'


def _use(ours: Builder, theirs: Builder, inherited: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    here = [flag for flag in ours.use if flag not in theirs.use]
    there = [flag for flag in theirs.use if flag not in ours.use]
    if here or there:
        said = [f"on only here: {' '.join(here)}" if here else "", f"on only there: {' '.join(there)}" if there else ""]
        # ${USE} keeps the earlier setting of the file: otherwise only the last assignment would count.
        line = _setting("USE", ("${USE}", *there, *(f"-{flag}" for flag in here)))
        yield Finding(
            Grade.DIFFERENT,
            "USE",
            f"{'; '.join(filter(None, said))}. Packages with these flags are compiled here",
            f"set {line} in make.conf, or set the flags per package",
        )
    items = sorted(theirs.package_use.items())
    lines = [f"{atom} {' '.join(flags)}" for atom, flags in items if not _alike(atom, flags, ours.package_use, inherited)]
    if lines:
        yield Finding(
            Grade.DIFFERENT,
            "package.use",
            f"the binhost sets other flags for {counted(len(lines), 'atom')}: {_some(lines)}",
            f"copy the lines that you want into {PACKAGE_USE} (all lines: --json)",
        )


_SHOWN: Final = 5


def _alike(atom: str, flags: tuple[str, ...], own: Mapping[str, Sequence[str]], inherited: Mapping[str, Sequence[str]]) -> bool:
    """Whether this host has the line: in its own file, else from its profile, where ``*/*`` became variables."""
    if atom in own:
        return own[atom] == flags
    return bool(inherited) and (atom == "*/*" or inherited.get(atom) == _expanded(flags))


def _expanded(flags: Sequence[str]) -> tuple[str, ...]:
    """The flags of a line with ``NAME:`` written out, as a profile has them."""
    found, prefix = [], ""
    for flag in flags:
        if flag.endswith(":"):
            prefix = f"{flag[:-1].lower()}_"
        else:
            found.append(f"-{prefix}{flag[1:]}" if flag.startswith("-") else f"{prefix}{flag}")
    return tuple(found)


def _are(things: Sequence[object]) -> str:
    return "is" if len(things) == 1 else "are"


def _some(texts: Sequence[str]) -> str:
    more = [f"and {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else []
    return "; ".join((*texts[:_SHOWN], *more))


def _packages(packages: Sequence[PackageUse]) -> Iterator[Finding]:
    if packages:
        yield Finding(
            Grade.DIFFERENT,
            "installed packages",
            f"{counted(len(packages), 'installed package')} {_are(packages)} compiled here: the binhost offers other USE flags",
            f"if you can use the flags of the binhost, add to {PACKAGE_USE}: {_some([one.line for one in packages])}",
        )


def _world(theirs: Builder, unbuilt: Sequence[str]) -> Iterator[Finding]:
    if unbuilt:
        also = [atom for atom in unbuilt if atom in theirs.world]
        yield Finding(
            Grade.DIFFERENT,
            "world",
            f"{counted(len(unbuilt), 'atom')} of this host's world {_are(unbuilt)} compiled here, without a package there: "
            + _some(unbuilt)
            + (f" (also in the world of the binhost: {_some(also)})" if also else ""),
            f"on the binhost, run emerge --buildpkg {shlex.join(unbuilt[:_SHOWN])}; then publish again",
        )


def _toolchain(ours: Builder, theirs: Builder, behind: Mapping[str, bool]) -> Iterator[Finding]:
    for name, newer_there in sorted(behind.items()):
        yield Finding(
            Grade.DIFFERENT,
            name,
            f"{' '.join(theirs.toolchain[name])} there, {' '.join(ours.toolchain[name])} here",
            f"emerge -1u {name}: a binary that needs the newer version is merged after it, or refused"
            if newer_there
            else f"nothing here, because programs built with the older version run here; on the binhost, run emerge -1u {name}",
        )

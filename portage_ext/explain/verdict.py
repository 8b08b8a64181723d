"""Why a binary is not taken, and what to do, as values: facts about a candidate, reasons, remedies, verdicts.

What is a fact (masks, changed flags, changed dependencies, …) is asked from the resolver in ``host/``; ``explain/reasons`` puts
it into words.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

Where = Literal["here", "binhost"]
HERE: Final = "here"
BINHOST: Final = "binhost"


@dataclass(frozen=True, slots=True)
class Remedy:
    """One line for a shell, to be run on this host or on the binhost. ``file`` and ``line``: what an appending one appends.

    ``instead``: not a further step, but another way out than the ones before it. ``look``: it changes nothing, and shows what
    is wrong.
    """

    where: Where
    command: str
    file: str | None = None
    line: str | None = None
    instead: bool = False
    look: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A change to the configuration of this host that takes a reason away from every package that has it."""

    key: str
    command: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that keeps a candidate away (or, with ``blocks`` off, that speaks against it though emerge would take it).

    ``kind`` is a row of ``explain/kinds``. ``text`` fits a table, ``details`` are further lines. ``remedies`` belong together,
    in this order; none when nothing can be done.
    """

    kind: str
    text: str
    remedies: tuple[Remedy, ...] = ()
    details: tuple[str, ...] = ()
    change: Change | None = None
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class Offer:
    """A binary candidate. ``binrepo`` is the section of binrepos.conf, None for PKGDIR; ``built`` in seconds since 1970."""

    cpv: str
    cp: str
    version: str
    slot: str
    sub_slot: str
    binrepo: str | None
    build_id: str
    built: int
    size: int
    indexed: int
    """TIMESTAMP of the index, 0 when unknown."""

    @property
    def source(self) -> str:
        return self.binrepo if self.binrepo is not None else "PKGDIR"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What emerge takes, or ``nothing`` where it could not resolve the request and would have needed this.

    ``since``: when its ebuild came into the tree, as far as the file's time says; 0 when unknown.
    """

    cpv: str
    cp: str
    version: str
    slot: str
    sub_slot: str
    repository: str
    kind: Literal["ebuild", "binary", "nothing"]
    since: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """Whether package.env lets the candidate in: ``why`` it does not, and the entry that says so, if one does.

    ``off``: what switches getbinpkg off for the whole run; ``without`` is what a shell runs emerge by to be rid of that.
    """

    accepted: bool
    why: Literal["", "unlisted", "off", "binhost"] = ""
    atom: str = ""
    where: str = ""
    allowed: tuple[str, ...] = ()
    off: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True)
class Again:
    """How emerge is run once more: with the options of the question that decide about binaries.

    ``asked`` are those of the command line, ``all`` those of EMERGE_DEFAULT_OPTS too, each as option and word; ``defaults`` are
    the options that EMERGE_DEFAULT_OPTS names. ``by`` is what a shell runs emerge by, such as ``env``.
    """

    asked: tuple[tuple[str, str], ...] = ()
    all: tuple[tuple[str, str], ...] = ()
    defaults: frozenset[str] = frozenset()
    by: str = ""
    plain: bool = False
    """EMERGE_DEFAULT_OPTS is left out, and ``asked`` has what is kept of it."""

    def less(self, options: Iterable[str], by: str = "") -> Again:
        """Without these options, wherever they are given."""
        gone = set(options)
        plain = not gone.isdisjoint(self.defaults)
        kept = tuple(one for one in (self.all if plain else self.asked) if one[0] not in gone)
        rest = tuple(one for one in self.all if one[0] not in gone)
        return Again(kept, rest, frozenset() if plain else self.defaults, by or self.by, plain or self.plain)

    def emerge(self, *words: str) -> str:
        """The command, with ``words`` quoted for a shell."""
        plain = ["--ignore-default-opts"] if self.plain else []
        command = shlex.join(["emerge", *plain, *(word for _, word in self.asked), *words])
        return f"{self.by} {command}" if self.by else command


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An include or exclude option that holds the candidate back. ``edit`` takes it away, or is empty for the command line."""

    option: str
    atoms: str
    where: str
    edit: str = ""


@dataclass(frozen=True, slots=True)
class Mask:
    """One reason of Portage to mask the candidate; ``command`` lifts it, as far as Portage has a file for that."""

    kind: str
    text: str
    remedy: Remedy | None = None
    profile: bool = False
    """It is not masked with the profile of the binhost."""


State = Literal["on", "off", "absent"]


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag that differs. ``group`` is its USE_EXPAND variable, whose value here is ``values``; ``fixed`` when the profile
    forces or masks it here.
    """

    name: str
    here: State
    there: State
    here_from: str
    there_from: str
    group: str = ""
    values: tuple[str, ...] = ()
    fixed: Literal["", "force", "mask"] = ""
    implicit: bool = False
    profile: bool = False
    """It does not differ with the profile of the binhost."""

    def __str__(self) -> str:
        return f"{self.name}: {self.here} here ({self.here_from}), {self.there} in the binary ({self.there_from})"


@dataclass(frozen=True, slots=True)
class OtherProfile:
    """The profile of a binhost where it is not this host's, both as builder.json has them. ``switch`` is the command that makes
    it this host's, empty when its profile is no link.
    """

    here: str
    there: str
    switch: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the resolver and the settings say about one candidate for one package."""

    offer: Offer
    order: int
    """The candidate's version against the wanted one: below zero when it is older."""
    listing: Listing = Listing(True)
    again: Again = Again()
    """How emerge is asked once more."""
    trouble: Reason | None = None
    """What is wrong with the binrepo itself."""
    exclusions: tuple[Exclusion, ...] = ()
    masks: tuple[Mask, ...] = ()
    profile: OtherProfile | None = None
    ebuild: Literal["visible", "masked", "gone"] = "visible"
    flags: tuple[Flag, ...] = ()
    slot_here: str = ""
    """Slot and sub-slot of the ebuild of the same version, where they differ and that keeps the binary away."""
    changed_deps: tuple[str, ...] = ()
    unsatisfied: tuple[str, ...] = ()
    set_aside: str = ""
    asked: tuple[str, ...] = ()
    """What was asked for, and the candidate is not."""
    needed: tuple[str, ...] = ()
    """What other packages of the list need, and the candidate is not."""
    more: tuple[Reason, ...] = ()
    """What the reasons found that ask for themselves (``explain/objectors/``)."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where this host keeps what remedies append to: a file each, and the env file that switches getbinpkg on."""

    package_env: str
    env_file: str
    env_exists: bool
    package_use: str
    package_mask: str
    use_force: str
    use_mask: str
    make_conf: str
    unfinished: frozenset[str] = frozenset()
    """Files whose last line has no end."""
    missing: frozenset[str] = frozenset()
    """Directories that are not there yet."""

    def append(self, file: str, line: str) -> Remedy:
        """A remedy that appends ``line`` to ``file``."""
        directory = file.rpartition("/")[0]
        make = f"mkdir -p {shlex.quote(directory)} && " if directory in self.missing else ""
        # The shell decides what echo makes of a backslash or a dash.
        plain = not line.startswith("-") and "\\" not in line
        printf = "printf '\\n%s\\n'" if file in self.unfinished else "printf '%s\\n'"
        words = f"{'echo' if plain and file not in self.unfinished else printf} {shlex.quote(line)}"
        return Remedy(HERE, f"{make}{words} >> {shlex.quote(file)}", file, line)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A candidate and everything that keeps it away; none when emerge takes it."""

    offer: Offer
    reasons: tuple[Reason, ...] = field(default=())

    @property
    def fixable(self) -> bool:
        """Whether every reason has a remedy that is carried out on this host."""
        steps = [[step for step in one.remedies if not step.instead and not step.look] for one in self.reasons if one.blocks]
        return all(some and all(step.where == HERE for step in some) for some in steps)

    @property
    def only_here(self) -> bool:
        """Whether it could be merged after nothing but changes to this host."""
        return not self.reasons or self.fixable


def closeness(verdict: Verdict) -> tuple[object, ...]:
    """A key by which the candidate that the least keeps away comes first."""
    blocking = [reason for reason in verdict.reasons if reason.blocks]
    return len(blocking), not verdict.fixable, -verdict.offer.built, verdict.offer.source


def day(seconds: int) -> str:
    """A date as people write it."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds)) if seconds else "at an unknown time"

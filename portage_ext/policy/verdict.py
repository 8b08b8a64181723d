"""Why a binary is not taken, and what to do: one verdict for each candidate, from facts that Portage itself established.

Values in, verdicts out. What is a fact (masks, changed flags, changed dependencies, …) is asked from the resolver in ``host/``;
here it is only put into words, in the order in which the resolver would stumble over it, each with its remedy.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Literal

Kind = Literal[
    "unreachable", "refused", "unlisted", "off", "binhost", "excluded", "version", "no-ebuild", "chost", "keywords", "mask",
    "license", "masked", "use", "iuse", "use-expand", "iuse-implicit", "slot", "dependencies", "bindings", "patches", "live",
    "repository", "symbols", "signature", "unindexed", "cpu", "resolver",
]  # fmt: skip
Where = Literal["here", "binhost"]
HERE: Final = "here"
BINHOST: Final = "binhost"


@dataclass(frozen=True, slots=True)
class Remedy:
    """One line for a shell, to be run on this host or on the binhost. ``file`` and ``line``: what an appending one appends.

    ``instead``: not a further step, but another way out than the ones before it.
    """

    where: Where
    command: str
    file: str | None = None
    line: str | None = None
    instead: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A change to the configuration of this host that takes a reason away from every package that has it."""

    key: str
    command: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that keeps a candidate away (or, with ``blocks`` off, that speaks against it though emerge would take it).

    ``text`` fits a table, ``details`` are further lines. ``remedies`` belong together, in this order; none when nothing can be
    done.
    """

    kind: Kind
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
    """What emerge takes. ``since``: when its ebuild came into the tree, as far as the file's time says; 0 when unknown."""

    cpv: str
    cp: str
    version: str
    slot: str
    sub_slot: str
    repository: str
    kind: Literal["ebuild", "binary"]
    since: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """Whether package.env lets the candidate in: ``why`` it does not, and the entry that says so, if one does."""

    accepted: bool
    why: Literal["", "unlisted", "off", "binhost", "option"] = ""
    atom: str = ""
    where: str = ""
    allowed: tuple[str, ...] = ()


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

    kind: Kind
    text: str
    remedy: Remedy | None = None


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

    def __str__(self) -> str:
        return f"{self.name}: {self.here} here ({self.here_from}), {self.there} in the binary ({self.there_from})"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the resolver and the settings say about one candidate for one package."""

    offer: Offer
    order: int
    """The candidate's version against the wanted one: below zero when it is older."""
    listing: Listing = Listing(True)
    trouble: Reason | None = None
    """What is wrong with the binrepo itself."""
    exclusions: tuple[Exclusion, ...] = ()
    masks: tuple[Mask, ...] = ()
    ebuild: Literal["visible", "masked", "gone"] = "visible"
    flags: tuple[Flag, ...] = ()
    slot_here: str = ""
    """Slot and sub-slot of the ebuild of the same version, where they differ and that keeps the binary away."""
    changed_deps: tuple[str, ...] = ()
    unsatisfied: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()
    live: bool = False
    set_aside: str = ""
    cpu: str = ""
    symbols: tuple[str, ...] = ()
    signature: str = ""
    unindexed: bool = False


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
        words = f"printf '\\n%s\\n' {shlex.quote(line)}" if file in self.unfinished else f"echo {shlex.quote(line)}"
        return Remedy(HERE, f"{make}{words} >> {shlex.quote(file)}", file, line)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A candidate and everything that keeps it away; none when emerge takes it."""

    offer: Offer
    reasons: tuple[Reason, ...] = field(default=())

    @property
    def blocked(self) -> bool:
        return any(reason.blocks for reason in self.reasons)

    @property
    def fixable(self) -> bool:
        """Whether every reason has a remedy that is carried out on this host."""
        steps = [[step for step in one.remedies if not step.instead] for one in self.reasons if one.blocks]
        return all(some and all(step.where == HERE for step in some) for some in steps)


def judge(facts: Facts, wanted: Wanted, places: Places) -> Verdict:
    """The verdict on one candidate."""
    reasons = tuple(_reasons(facts, wanted, places))
    if facts.set_aside and not any(one.blocks for one in reasons):
        reasons = (*reasons, Reason("resolver", f"Portage's resolver set it aside: {facts.set_aside}"))
    return Verdict(facts.offer, reasons)


def unreachable(binrepo: str, uri: str, why: str) -> Reason:
    """The index of a binrepo could not be had; the remedy shows whether it can now, and what the server says."""
    command = f"wget --spider {shlex.quote(uri.rstrip('/') + '/Packages')}"
    return Reason("unreachable", f"the index of [{binrepo}] could not be had", (Remedy(HERE, command),), (why,))


def refused(binrepo: str, error: str, why: str) -> Reason:
    """The index of a binrepo was refused by ``error``, a class of refusals.py."""
    if error == "ExpiredReleaseError":
        remedy = Remedy(BINHOST, "portage-ext release resign")
    elif "Key" in error:
        remedy = Remedy(HERE, "portage-ext trust list")
    else:
        remedy = Remedy(BINHOST, "portage-ext release show")
    return Reason("refused", f"the index of [{binrepo}] is refused [{error}]", (remedy,), (why,))


def closest(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts of one package, the candidate first that the least keeps away."""
    return sorted(
        verdicts, key=lambda one: (sum(r.blocks for r in one.reasons), not one.fixable, -one.offer.built, one.offer.source)
    )


def _reasons(facts: Facts, wanted: Wanted, places: Places) -> Iterable[Reason]:
    offer = facts.offer
    rebuild = Remedy(BINHOST, f"emerge --oneshot --buildpkg {shlex.quote('=' + wanted.cpv)}")
    if facts.trouble:
        yield facts.trouble
    if not facts.listing.accepted:
        yield _listing(facts.listing, offer, places)
    for one in facts.exclusions:
        remedies = (Remedy(HERE, one.edit),) if one.edit else ()
        yield Reason("excluded", f"{one.option} {one.atoms} ({one.where})", remedies)
    yield from (Reason(mask.kind, mask.text, (mask.remedy,) if mask.remedy else ()) for mask in facts.masks)
    if facts.order < 0 and not facts.masks:
        yield _older(facts, wanted, rebuild)
    elif facts.ebuild != "visible":
        yield _no_ebuild(facts, offer)
    elif facts.order > 0 and not facts.masks:
        yield Reason("version", f"newer than {wanted.version}, which is what was asked for or what other packages need")
    yield from _flags(facts, wanted, places, rebuild)
    if facts.slot_here:
        yield Reason("slot", f"built for slot {offer.slot}/{offer.sub_slot}, the ebuild here has {facts.slot_here}", (rebuild,))
    if facts.changed_deps:
        yield Reason(
            "dependencies", "built with other dependencies than the ebuild here has", (rebuild,), details=facts.changed_deps
        )
    if facts.unsatisfied:
        yield Reason(
            "bindings", f"needs {', '.join(facts.unsatisfied)}, which does not fit the versions chosen here", (rebuild,)
        )
    if facts.patches:
        yield Reason(
            "patches",
            f"this host has user patches for it: {', '.join(facts.patches)}",
            (Remedy(HERE, f"emerge --oneshot --binpkg-respect-user-patches=n {shlex.quote('=' + wanted.cpv)}"),),
        )
    if facts.live:
        yield Reason("live", "a live package, and --usepkg-exclude-live is on")
    if facts.symbols:
        yield Reason("symbols", "needs symbol versions that nothing here provides", (rebuild,), details=facts.symbols)
    if facts.signature:
        command = f"portage-ext sign --all {shlex.quote(offer.cpv)}"
        yield Reason("signature", facts.signature, (Remedy(BINHOST if offer.binrepo else HERE, command),))
    if facts.unindexed:
        yield Reason(
            "unindexed", "the file lies in PKGDIR and the index does not have it", (Remedy(HERE, "portage-ext reindex"),)
        )
    if facts.cpu:
        yield Reason("cpu", facts.cpu, (rebuild,), blocks=False)


def _listing(listing: Listing, offer: Offer, places: Places) -> Reason:
    if listing.why == "option":
        return Reason("off", f"getbinpkg is off for this run ({listing.where})")
    env = places.env_file.rpartition("/")[2]
    steps = () if places.env_exists else (places.append(places.env_file, 'FEATURES="getbinpkg"'),)
    if listing.why == "binhost":
        allowed = ", ".join(listing.allowed)
        file = f"{places.env_file.rpartition('/')[0]}/from-{offer.binrepo}.conf"
        return Reason(
            "binhost",
            f"GETBINPKG_FROM allows only {allowed}" + (f" ({listing.where})" if listing.where else ""),
            (
                places.append(file, f'GETBINPKG_FROM="{" ".join((*listing.allowed, offer.binrepo or ""))}"'),
                places.append(places.package_env, f"{listing.atom or offer.cp} {file.rpartition('/')[2]}"),
            ),
        )
    steps = (*steps, places.append(places.package_env, f"{listing.atom or offer.cp} {env}"))
    if listing.why == "off":
        return Reason("off", f"switched off: {listing.where}", steps)
    everything = Change(
        "getbinpkg for every package", places.append(places.make_conf, 'FEATURES="${FEATURES} getbinpkg"').command
    )
    return Reason("unlisted", "not whitelisted", steps, change=everything)


def _older(facts: Facts, wanted: Wanted, rebuild: Remedy) -> Reason:
    offer = facts.offer
    details = [f"built {day(offer.built)}"]
    if offer.indexed:
        details.append(f"the index is of {day(offer.indexed)}")
    if wanted.since:
        details.append(f"{wanted.version} is in the tree since {day(wanted.since)}")
    take = Remedy(HERE, f"emerge --oneshot --useoldpkg-atoms={offer.cp} {offer.cp}:{offer.slot}")
    return Reason(
        "version",
        f"the tree is ahead: {wanted.version} here, {offer.version} there",
        (take, replace(rebuild, instead=True)),
        ("; ".join(details),),
    )


def _no_ebuild(facts: Facts, offer: Offer) -> Reason:
    what = "is masked" if facts.ebuild == "masked" else "is no longer in the tree"
    take = Remedy(HERE, f"emerge --oneshot --useoldpkg-atoms={offer.cp} {shlex.quote('=' + offer.cpv)}")
    return Reason("no-ebuild", f"the ebuild of {offer.version} {what}", (take,))


def _flags(facts: Facts, wanted: Wanted, places: Places, rebuild: Remedy) -> Iterable[Reason]:
    groups: dict[tuple[Kind, str], list[Flag]] = {}
    for flag in facts.flags:
        kind: Kind = "iuse" if "absent" in (flag.here, flag.there) else "use-expand" if flag.group else "use"
        if flag.implicit:
            kind = "iuse-implicit"
        groups.setdefault((kind, flag.group), []).append(flag)
    for (kind, group), flags in groups.items():
        names = " ".join(_token(flag) for flag in flags)
        details = tuple(map(str, flags))
        if kind in ("iuse", "iuse-implicit"):
            said = "IUSE_IMPLICIT" if kind == "iuse-implicit" else "IUSE"
            yield Reason(
                kind,
                f"{said} differs: {', '.join(flag.name for flag in flags)}; it was built from another ebuild",
                (rebuild,),
                details,
            )
            continue
        steps = []
        free = [flag for flag in flags if not flag.fixed]
        for word, file in (("force", places.use_force), ("mask", places.use_mask)):
            fixed = [flag for flag in flags if flag.fixed == word]
            if fixed:
                steps.append(places.append(file, f"{wanted.cp} {' '.join('-' + flag.name for flag in fixed)}"))
                free += fixed
        steps.append(places.append(places.package_use, f"{wanted.cp} {' '.join(map(_token, free))}"))
        yield Reason(
            kind,
            f"{group.upper() or 'USE'} differs: {names}",
            tuple(steps),
            details,
            None if len(steps) > 1 else _globally(group, flags, places),
        )


def _token(flag: Flag) -> str:
    return flag.name if flag.there == "on" else f"-{flag.name}"


def _globally(group: str, flags: list[Flag], places: Places) -> Change:
    """The same for every package, in make.conf."""
    if group:
        # Most of these variables are not incremental: the whole value is written.
        values = {name for flag in flags for name in flag.values}
        for flag in flags:
            value = flag.name.removeprefix(f"{group}_")
            values = values | {value} if flag.there == "on" else values - {value}
        line = f'{group.upper()}="{" ".join(sorted(values))}"'
    else:
        line = f'USE="${{USE}} {" ".join(map(_token, flags))}"'
    return Change(line, places.append(places.make_conf, line).command)


def day(seconds: int) -> str:
    """A date as people write it."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds)) if seconds else "at an unknown time"

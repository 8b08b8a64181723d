"""Facts become reasons, in the order of ``explain/kinds``, each in words and with its remedy.

Values in, verdicts out: what Portage decides is decided in ``explain/facts``, with Portage's own functions.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace

from portage_ext.explain import kinds
from portage_ext.explain.verdict import (
    BINHOST,
    HERE,
    Again,
    Change,
    Facts,
    Flag,
    Listing,
    Mask,
    Offer,
    Places,
    Reason,
    Remedy,
    Verdict,
    Wanted,
    day,
)  # fmt: skip


def judge(facts: Facts, wanted: Wanted, places: Places) -> Verdict:
    """The verdict on one candidate."""
    reasons = tuple(sorted(_reasons(facts, wanted, places), key=lambda one: kinds.rank(one.kind)))
    if facts.set_aside and not any(one.blocks for one in reasons):
        reasons = (*reasons, Reason("resolver", f"Portage's resolver set it aside: {facts.set_aside}"))
    return Verdict(facts.offer, reasons)


def _reasons(facts: Facts, wanted: Wanted, places: Places) -> Iterable[Reason]:
    offer = facts.offer
    rebuild = Remedy(BINHOST, f"emerge --oneshot --buildpkg {shlex.quote('=' + wanted.cpv)}")
    if facts.trouble:
        yield facts.trouble
    again = Remedy(HERE, facts.again.emerge("--oneshot", f"={offer.cpv}"))
    if facts.listing.off and not facts.listing.accepted:
        yield Reason("off", f"getbinpkg is off for this run ({facts.listing.off})", (again,))
    if facts.listing.why:
        yield _listing(facts.listing, offer, places)
    for one in facts.exclusions:
        remedy = Remedy(HERE, one.edit) if one.edit else again
        yield Reason("excluded", f"{one.option} {one.atoms} ({one.where})", (remedy,))
    yield from _profile(facts, wanted, places, rebuild)
    yield from masked(mask for mask in facts.masks if not mask.profile)
    if facts.order < 0 and not facts.masks:
        yield _older(facts, wanted, rebuild)
    elif facts.ebuild != "visible":
        yield _no_ebuild(facts, offer)
    elif facts.order > 0 and not facts.masks:
        yield _newer(facts, wanted, rebuild)
    elif facts.order == 0 and (facts.needed or facts.asked) and not facts.slot_here:
        asked = tuple(f"asked for: {atom}" for atom in facts.asked)
        yield Reason("resolver", "is not what was asked for or what other packages need", (rebuild,), (*asked, *facts.needed))
    yield from _flags((flag for flag in facts.flags if not flag.profile), wanted, places, rebuild)
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
    yield from facts.more


def kept(wanted: Wanted, again: Again) -> Reason:
    """BINPKG_ONLY keeps the ebuild from being compiled; the command compiles it all the same."""
    command = again.less(("--getbinpkgonly", "--usepkgonly")).emerge(
        "--oneshot", f"--usepkg-exclude={wanted.cp}", f"={wanted.cpv}"
    )
    return Reason("wait", 'not compiled on this host (BINPKG_ONLY="wait")', (Remedy(HERE, command, instead=True),))


def elsewhere(wanted: Wanted, service: str) -> Reason:
    """The build service of [ask] can be asked for it."""
    remedy = Remedy(HERE, f"portage-ext request {shlex.quote(wanted.cp)}", instead=True)
    return Reason("request", f"built by {service} if you ask for it", (remedy,), blocks=False)


def signature(path: str, why: str) -> Reason:
    """Portage asks for a signature and does not accept that of a local package."""
    return Reason("signature", "its signature is missing or not valid here", (Remedy(HERE, "portage-ext sign"),), (path, why))


def unindexed(path: str) -> Reason:
    """A file of PKGDIR that its index does not have."""
    return Reason("unindexed", "PKGDIR has it, its index does not", (Remedy(HERE, "portage-ext reindex"),), (path,))


def cpu(offer: Offer, flags: str, lacking: Sequence[str], level: int | None) -> Reason:
    """Compiled for another CPU: emerge would take it, and its programs would end with an illegal instruction."""
    march = f"x86-64-v{level}" if level else "native"
    options = "--getbinpkg=n --usepkg=n " if offer.binrepo is None else ""
    command = f"CFLAGS='-O2 -pipe -march={march}' emerge --oneshot --buildpkg {options}{shlex.quote('=' + offer.cpv)}"
    remedy = Remedy(HERE if offer.binrepo is None else BINHOST, command)
    lacks = f"this CPU lacks {' '.join(lacking)}"
    return Reason("cpu", f"compiled for a CPU that this is not ({flags})", (remedy,), (lacks,), blocks=False)


def symbols(words: Sequence[str]) -> Reason:
    """The plan check refuses the candidate; ``words`` are its own: what is missing, then the ways out, one a line."""
    first, *ways = words[0].split("\n")
    commands = [way.rpartition(": ")[2].strip() for way in ways]
    remedies = tuple(Remedy(HERE, command, instead=number > 0) for number, command in enumerate(commands))
    return Reason("symbols", "needs symbol versions that this system lacks", remedies, (first, *words[1:]))


def _listing(listing: Listing, offer: Offer, places: Places) -> Reason:
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
    take = Remedy(HERE, facts.again.emerge("--oneshot", f"--useoldpkg-atoms={offer.cp}", f"{offer.cp}:{offer.slot}"))
    return Reason(
        "version",
        f"the tree is ahead: {wanted.version} here, {offer.version} there",
        (rebuild,) if facts.needed else (take, replace(rebuild, instead=True)),
        ("; ".join(details), *facts.needed),
    )


def _newer(facts: Facts, wanted: Wanted, rebuild: Remedy) -> Reason:
    """Nothing is wrong with it but that another version was chosen: by who asked, or for another package."""
    text = f"newer than {wanted.version}, which "
    if facts.needed:
        return Reason("version", f"{text}other packages need", (rebuild,), facts.needed)
    take = Remedy(HERE, facts.again.emerge("--oneshot", f"={facts.offer.cpv}"))
    chosen = f"was asked for: {' '.join(facts.asked)}" if facts.asked else "Portage's resolver chose"
    return Reason("version", text + chosen, (take, replace(rebuild, instead=True)))


def _no_ebuild(facts: Facts, offer: Offer) -> Reason:
    what = "is masked" if facts.ebuild == "masked" else "is no longer in the tree"
    take = Remedy(HERE, facts.again.emerge("--oneshot", f"--useoldpkg-atoms={offer.cp}", f"={offer.cpv}"))
    return Reason("no-ebuild", f"the ebuild of {offer.version} {what}", (take,))


def masked(masks: Iterable[Mask]) -> Iterable[Reason]:
    """A reason for each mask."""
    return (Reason(mask.kind, mask.text, (mask.remedy,) if mask.remedy else ()) for mask in masks)


def _profile(facts: Facts, wanted: Wanted, places: Places, rebuild: Remedy) -> Iterable[Reason]:
    """What the profile decides is one reason: it can be lifted for this package, or for all of them by the other profile."""
    masks = masked(mask for mask in facts.masks if mask.profile)
    flags = _flags((flag for flag in facts.flags if flag.profile), wanted, places, rebuild)
    decided = [*masks, *flags]
    if facts.profile is None or not decided:
        return
    steps = tuple(step for one in decided for step in one.remedies)
    change = None
    if facts.profile.switch:
        steps = (*steps, Remedy(HERE, facts.profile.switch, instead=True))
        change = Change(f"the binhost's profile, {facts.profile.there}", facts.profile.switch)
    told = f"another profile: {facts.profile.there} there, {facts.profile.here} here"
    yield Reason("profile", told, steps, tuple(line for one in decided for line in (one.text, *one.details)), change)


def _flags(differing: Iterable[Flag], wanted: Wanted, places: Places, rebuild: Remedy) -> Iterable[Reason]:
    groups: dict[tuple[str, str], list[Flag]] = {}
    for flag in differing:
        if "absent" in (flag.here, flag.there):
            groups.setdefault(("iuse-implicit" if flag.implicit else "iuse", ""), []).append(flag)
        else:
            groups.setdefault(("use-expand" if flag.group else "use", flag.group), []).append(flag)
    for (kind, group), flags in groups.items():
        names = " ".join(_token(flag).replace(f"{group}_", "", 1) if group else _token(flag) for flag in flags)
        details = tuple(map(str, flags))
        if kind in ("iuse", "iuse-implicit"):
            which = "names other flags of IUSE_IMPLICIT" if kind == "iuse-implicit" else "differs"
            text = f"IUSE {which}: {', '.join(flag.name for flag in flags)}; it was built from another ebuild"
            yield Reason(kind, text, (rebuild,), details)
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

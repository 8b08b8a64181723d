"""What can go wrong while a tree of releases is published, mirrored or cleaned: one error for each failure.

They follow the rules of ``errors/__init__``. They have their own module because they belong to one stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from portage_ext.errors import PortageExtError, remedy_of_loss
from portage_ext.folding import fold, told
from portage_ext.records import record
from portage_ext.words import counted


class TreeError(PortageExtError):
    """The published tree cannot be used. ``what`` names the file and the reason."""

    tree: str
    what: str

    def __str__(self) -> str:
        return f"{self.tree}: {self.what}"


class ChangedReleaseError(TreeError):
    """A release in the tree is not what this host has published there."""


class ExpiringRootKeyError(PortageExtError):
    """A root key has an expiry date. After it, no root that this key has signed could be followed, published or replaced."""

    where: str
    key: str
    day: str

    def __str__(self) -> str:
        return (
            f"{self.where}: the root key {self.key} expires on {self.day}, and every root that it has signed expires with it "
            f"[expiring-root-key]. The root has its own expiry date. Remove that of the key "
            f"(`gpg --quick-set-expire {self.key} never`), then try again"
        )


class UnknownChannelError(PortageExtError):
    """The named channel has no release."""

    channel: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"there is no channel {self.channel}; the tree has {', '.join(self.known) or 'none yet: run portage-ext publish'}"
        )


class UnknownNumberError(PortageExtError):
    """The named release is not in the tree, or belongs to another channel."""

    number: str
    channel: str
    known: tuple[int, ...]

    def __str__(self) -> str:
        known = ", ".join(map(str, self.known)) or "none"
        return f"{self.channel} has no release {self.number}; it has: {known} (see portage-ext releases)"


class ChangingPkgdirError(PortageExtError):
    """A package was replaced while it was added to a release."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} was replaced repeatedly while it was being published. Nothing was published; try again later"


class PoolNameError(PortageExtError):
    """Two packages with different bytes have the same name in the pool: their digests agree in the part that names have."""

    source: str
    path: str

    def __str__(self) -> str:
        return (
            f"{self.source}: its digest begins like that of another package, {self.path}, and this happens only on purpose. "
            "Nothing was published. Find out who built the two packages, then remove one of them or build it again"
        )


class PublishError(PortageExtError):
    """The operating system refused a step: no space, no permission, a broken disk. The channel now points at ``stands``."""

    channel: str
    path: str
    reason: str
    stands: int | None

    def __str__(self) -> str:
        now = "has no release" if self.stands is None else f"still serves release {self.stands}, which is complete"
        return f"{self.path}: {self.reason}. {self.channel} {now}; the next run cleans up and tries again"


@record
class Finding:
    """One objection of a gate: the gate, the package or file, and what is wrong with it. A ``warning`` stops no release."""

    gate: str
    where: str
    what: str
    warning: bool = False

    def __str__(self) -> str:
        return f"[{self.gate}] {self.where}: {self.what}"


def folded(findings: Iterable[Finding]) -> list[str]:
    """One line for each finding, and for equal ones one line with their count."""
    by_gate: dict[str, list[tuple[str, str]]] = {}
    for one in findings:
        by_gate.setdefault(one.gate, []).append((one.where, one.what))
    return [f"[{gate}] {line}" for gate, found in by_gate.items() for line in fold(found)]


class GateError(PortageExtError):
    """A release did not pass its gates. It stays in ``staging`` until the next run."""

    channel: str
    staging: str
    findings: tuple[Finding, ...]
    live: int | None = None
    """The number of the release, when the channel serves it already."""

    @property
    def lines(self) -> list[str]:
        """The objections, with equal ones as one line and their count."""
        return folded(self.findings)

    def __str__(self) -> str:
        gates = list(dict.fromkeys(one.gate for one in self.findings))
        what = f"{counted(len(self.findings), 'objection')} ({', '.join(gates)})"
        repair = "Repair the packages, or set gates for the channel in portage-ext.toml"
        if "signatures" in gates:
            repair += ". `portage-ext sign` signs the packages that can be signed"
        if self.live is not None:
            return f"{what} to release {self.live}, which {self.channel} serves and continues to serve. {repair}"
        return f"{what}; {self.channel} is unchanged. The release stays in {self.staging} until the next run. {repair}"


class EmptiedReleaseError(PortageExtError):
    """A release of a PKGDIR would offer few packages or none, which usually means a missing mount, keyring or key.

    ``before`` packages are served now, ``after`` would be served. ``why`` has the packages of PKGDIR that are left out, by
    path, with the reasons.
    """

    channel: str
    before: int
    after: int
    why: Mapping[str, str]

    def __str__(self) -> str:
        serves = f"{self.channel} serves {counted(self.before) if self.before else 'nothing yet'}"
        left = f"; {counted(len(self.why))} of PKGDIR would be left out: {told(self.why.items())}" if self.why else ""
        return (
            f"{serves}, and the new release would offer {self.after}{left}. Nothing was published. {remedy_of_loss(self.why)} "
            "To publish it anyway: portage-ext publish --force, or may-be-empty = true in [publish]"
        )


class GateUnavailableError(PortageExtError):
    """A gate cannot run on this host."""

    gate: str
    why: str

    def __str__(self) -> str:
        return f"the gate {self.gate} cannot run: {self.why}. Nothing was published"


class MirrorPushError(PortageExtError):
    """A push to a mirror failed. The mirror still serves the release that it served before."""

    mirror: str
    step: str
    why: str

    def __str__(self) -> str:
        return (
            f"mirror {self.mirror}: {self.step}: {self.why}. It still serves its previous release; the next run continues here"
        )


class UnsignedPackagesError(PortageExtError):
    """New packages could not be signed, so that no index and no release lists them. ``why`` has the reasons, by path."""

    pkgdir: str
    why: Mapping[str, str]

    def __str__(self) -> str:
        return (
            f"{counted(len(self.why))} of {self.pkgdir} could not be signed ({told(self.why.items())}). "
            "They stay out of the index and of releases until you sign, rebuild or remove them"
        )


class BusyError(PortageExtError):
    """Another run has been doing the same work for a while."""

    root: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"another run has been working after emerge for more than {self.seconds:.0f} s (lock in {self.root}); "
            "it (or the next run) will also process these packages"
        )


class JobError(PortageExtError):
    """The job in [postsync] could not be started."""

    command: str
    why: str

    def __str__(self) -> str:
        return f"cannot start the update job {self.command}: {self.why}. Correct `job` in [postsync] of portage-ext.toml"

"""What can go wrong while a tree of releases is published, mirrored or cleaned: one error a failure.

They stand apart from errors.py, whose rules they keep, because they belong to one stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portage_ext.errors import PortageExtError, remedy_of_loss
from portage_ext.folding import fold, told
from portage_ext.words import counted


@dataclass(slots=True, eq=False)
class TreeError(PortageExtError):
    """The published tree cannot be used as it is. ``what`` names the file and the reason."""

    tree: str
    what: str

    def __str__(self) -> str:
        return f"{self.tree}: {self.what}"


@dataclass(slots=True, eq=False)
class ExpiringRootKeyError(PortageExtError):
    """A root key has an expiry. Once it has passed, no root that it has signed could be followed, published or replaced."""

    where: str
    key: str
    day: str

    def __str__(self) -> str:
        return (
            f"{self.where}: the root key {self.key} expires on {self.day}, and with it every root that it has signed "
            f"[expiring-root-key]. The root has an expiry of its own: take that of the key away "
            f"(`gpg --quick-set-expire {self.key} never`), and try again"
        )


@dataclass(slots=True, eq=False)
class UnknownChannelError(PortageExtError):
    """A channel is named that has no release."""

    channel: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"there is no channel {self.channel}; the tree has {', '.join(self.known) or 'none yet: run portage-ext publish'}"
        )


@dataclass(slots=True, eq=False)
class UnknownNumberError(PortageExtError):
    """A release is named that is not in the tree, or not of the channel."""

    number: str
    channel: str
    known: tuple[int, ...]

    def __str__(self) -> str:
        known = ", ".join(map(str, self.known)) or "none"
        return f"there is no release {self.number} of {self.channel} to use; there are: {known} (see portage-ext releases)"


@dataclass(slots=True, eq=False)
class ChangingPkgdirError(PortageExtError):
    """A package became another file while it was taken into a release."""

    path: str

    def __str__(self) -> str:
        return f"{self.path}: it was replaced while it was published, and again; nothing was published. Try again later"


@dataclass(slots=True, eq=False)
class PublishError(PortageExtError):
    """The operating system refused a step: no space, no right, a broken disk. ``stands`` is where the channel points now."""

    channel: str
    path: str
    reason: str
    stands: int | None

    def __str__(self) -> str:
        now = "has no release" if self.stands is None else f"points at release {self.stands}, which is whole"
        return f"{self.path}: {self.reason}. {self.channel} {now}; the next run cleans up and tries again"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a gate objects to: the gate, the package or file, and what is wrong with it."""

    gate: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"[{self.gate}] {self.where}: {self.what}"


@dataclass(slots=True, eq=False)
class GateError(PortageExtError):
    """A release did not pass its gates. ``staging`` is where it can be looked at until the next run."""

    channel: str
    staging: str
    findings: tuple[Finding, ...]
    live: int | None = None
    """The release, when it is one that the channel serves already."""

    @property
    def lines(self) -> list[str]:
        """The objections, equal ones as one line with their count."""
        by_gate: dict[str, list[tuple[str, str]]] = {}
        for one in self.findings:
            by_gate.setdefault(one.gate, []).append((one.where, one.what))
        return [f"[{gate}] {line}" for gate, found in by_gate.items() for line in fold(found)]

    def __str__(self) -> str:
        gates = list(dict.fromkeys(one.gate for one in self.findings))
        what = f"{counted(len(self.findings), 'objection')} ({', '.join(gates)})"
        repair = "Repair the packages, or set gates for the channel in portage-ext.toml"
        if "signatures" in gates:
            repair += ". portage-ext sign signs what can be signed"
        if self.live is not None:
            return f"{what} to release {self.live}, which {self.channel} serves and goes on serving. {repair}"
        return f"{what}; {self.channel} stays as it was. The release is in {self.staging} until the next run. {repair}"


@dataclass(slots=True, eq=False)
class EmptiedReleaseError(PortageExtError):
    """A release of a PKGDIR would offer nothing, or little of what there is: a mount, a keyring or a key is missing.

    ``before`` packages are served now, ``after`` would be; ``why`` has what is in PKGDIR and left out, with the reasons.
    """

    channel: str
    before: int
    after: int
    why: Mapping[str, str]

    def __str__(self) -> str:
        serves = f"{self.channel} serves {counted(self.before) if self.before else 'nothing yet'}"
        left = f"; {counted(len(self.why))} of PKGDIR would be left out: {told(self.why.items())}" if self.why else ""
        return (
            f"{serves}, and the new release would offer {self.after}{left}. Nothing was published. "
            f"{remedy_of_loss(self.why)} If it is meant: portage-ext publish --force, or may-be-empty = true in [publish]"
        )


@dataclass(slots=True, eq=False)
class GateUnavailableError(PortageExtError):
    """A gate cannot be run here."""

    gate: str
    why: str

    def __str__(self) -> str:
        return f"the gate {self.gate} cannot be run: {self.why}. Nothing was published"


@dataclass(slots=True, eq=False)
class MirrorPushError(PortageExtError):
    """A mirror did not take what it was sent. It still serves the release that it served before."""

    mirror: str
    step: str
    why: str

    def __str__(self) -> str:
        return f"mirror {self.mirror}: {self.step}: {self.why}. It serves what it served before; the next run goes on from here"


@dataclass(slots=True, eq=False)
class UnsignedPackagesError(PortageExtError):
    """New packages could not be signed: no index and no release of ours names them. ``why`` has the reasons, by path."""

    pkgdir: str
    why: Mapping[str, str]

    def __str__(self) -> str:
        return (
            f"{counted(len(self.why))} of {self.pkgdir} could not be signed ({told(self.why.items())}). "
            "They stay out of the index and of releases until you sign, rebuild or remove them"
        )


@dataclass(slots=True, eq=False)
class BusyError(PortageExtError):
    """Another run does the same work, and has for a while."""

    root: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"another run has been working after emerge for more than {self.seconds:.0f} s (lock in {self.root}); "
            "it, or the next one, does this work too"
        )


@dataclass(slots=True, eq=False)
class JobError(PortageExtError):
    """The job of [postsync] could not be started."""

    command: str
    why: str

    def __str__(self) -> str:
        return f"the update job {self.command} could not be started: {self.why}. Correct job in [postsync] of portage-ext.toml"

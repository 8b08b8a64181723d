"""What can go wrong while a tree of releases is published, mirrored or cleaned: one error a failure.

They stand apart from errors.py, whose rules they keep, because they belong to one stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from portage_ext.errors import PortageExtError


@dataclass(slots=True, eq=False)
class TreeError(PortageExtError):
    """The published tree cannot be used as it is. ``what`` names the file and the reason."""

    tree: str
    what: str

    def __str__(self) -> str:
        return f"{self.tree}: {self.what}"


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

    def __str__(self) -> str:
        gates = ", ".join(dict.fromkeys(one.gate for one in self.findings))
        return (
            f"{len(self.findings)} objections ({gates}); {self.channel} stays as it was. The release is in {self.staging} "
            "until the next run. Repair the packages, or set gates for the channel in portage-ext.toml"
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
        some = [f"{path}: {why.removesuffix('.')}" for path, why in islice(self.why.items(), 3)]
        more = [f"and {len(self.why) - len(some)} more"] if len(some) < len(self.why) else []
        what = "1 package" if len(self.why) == 1 else f"{len(self.why)} packages"
        return (
            f"{what} of {self.pkgdir} could not be signed ({'; '.join(some + more)}), to be neither indexed nor published "
            "until signed, built again or removed"
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

"""What keeps a host from being captured, and a package from being built for it."""

from __future__ import annotations

from dataclasses import dataclass

from portage_ext.errors import PortageExtError


@dataclass(slots=True, eq=False)
class CaptureError(PortageExtError):
    """A host cannot be captured, or what it sent is not what a capture has."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"cannot capture {self.where}: {self.why}"


@dataclass(slots=True, eq=False)
class TargetError(PortageExtError):
    """A target is not there, or its files were changed so that they cannot be read."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"target {self.name}: {self.why}"


@dataclass(slots=True, eq=False)
class IsolationError(PortageExtError):
    """This system cannot keep a build apart from itself."""

    why: str

    def __str__(self) -> str:
        return f"cannot isolate a build: {self.why}. Nothing was built"


@dataclass(slots=True, eq=False)
class JobError(PortageExtError):
    """What an environment says of its plan cannot be used. ``where`` is the target."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"target {self.where}: {self.why}"


@dataclass(slots=True, eq=False)
class BlockedError(PortageExtError):
    """The environment of a target is not what the build needs; nothing is built in one that is nearly so."""

    where: str
    why: str
    todo: str

    def __str__(self) -> str:
        return f"blocked: the environment of target {self.where} {self.why}. What to do: {self.todo}"


@dataclass(slots=True, eq=False)
class DeployError(PortageExtError):
    """A host did not get its packages. ``host`` is its name in portage-ext.toml."""

    host: str
    why: str

    def __str__(self) -> str:
        return f"{self.host}: {self.why}"


@dataclass(slots=True, eq=False)
class LedgerError(PortageExtError):
    """The ledger of builds cannot be used."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


@dataclass(slots=True, eq=False)
class RefusedResultError(PortageExtError):
    """What a build has left is not the package that was to be built."""

    cpv: str
    why: str

    def __str__(self) -> str:
        return f"the result for {self.cpv} is refused: {self.why}"

"""Why a host could not be captured, or a package not be built for it."""

from __future__ import annotations

from typing import ClassVar

from portage_ext.errors import PortageExtError


class CaptureError(PortageExtError):
    """A host cannot be captured, or it sent something that is not a capture."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"cannot capture {self.where}: {self.why}"


class StageError(PortageExtError):
    """No system can be made from a stage archive."""

    archive: str
    why: str

    def __str__(self) -> str:
        return f"cannot make a system from {self.archive}: {self.why}. Nothing was kept"


class TargetError(PortageExtError):
    """A target does not exist, or its files are damaged."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"target {self.name}: {self.why}"


class IsolationError(PortageExtError):
    """This system cannot isolate a build."""

    why: str

    def __str__(self) -> str:
        return f"cannot isolate a build: {self.why}. Nothing was built"


class JobError(PortageExtError):
    """The build plan that an environment reported cannot be used. ``where`` is the target."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"target {self.where}: {self.why}"


class UnresolvedError(PortageExtError):
    """The emerge of an environment cannot resolve a request. ``said`` are its own words."""

    has_lines: ClassVar[bool] = True
    where: str
    said: str

    def __str__(self) -> str:
        from textwrap import indent  # takes longer to import than all errors here

        return f"target {self.where}: emerge could not resolve the request:\n{indent(self.said, '  ')}"


class BlockedError(PortageExtError):
    """The environment of a target differs from the target, so nothing is built in it."""

    where: str
    why: str
    todo: str

    def __str__(self) -> str:
        return f"blocked: the environment of target {self.where} {self.why}. What to do: {self.todo}"


class DeployError(PortageExtError):
    """A host did not get its packages. ``host`` is its name in portage-ext.toml."""

    host: str
    why: str

    def __str__(self) -> str:
        return f"{self.host}: {self.why}"


class LedgerError(PortageExtError):
    """The ledger of builds cannot be used."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class RefusedResultError(PortageExtError):
    """The result of a build is not the package that was requested."""

    cpv: str
    why: str

    def __str__(self) -> str:
        return f"refused the build result for {self.cpv}: {self.why}"

"""What can be wrong with a delta. None of these errors stops anything: the whole package is fetched, or no delta is offered."""

from __future__ import annotations

from portage_ext.errors import PortageExtError


class InvalidDeltasError(PortageExtError):
    """The list of the deltas of a release cannot be read."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: the list of its deltas cannot be read: {self.why}"


class DeltaError(PortageExtError):
    """A package cannot be made from an older one. ``why`` is a clause."""

    package: str
    why: str

    def __str__(self) -> str:
        return f"{self.package}: {self.why}"


class TooLittleError(DeltaError):
    """A delta would save too little to be offered."""

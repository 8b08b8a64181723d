"""What can be wrong with the provenance of a package."""

from __future__ import annotations

from portage_ext.errors import PortageExtError


class InvalidProvenanceError(PortageExtError):
    """A record or statement cannot be read."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: its provenance cannot be read: {self.why}. Build the package again, or publish it again"


class NoStatementError(PortageExtError):
    """No verified statement of a binhost is about a package file."""

    package: str
    why: str

    def __str__(self) -> str:
        return f"{self.package} has no provenance that can be verified: {self.why}"


class OtherPackageError(PortageExtError):
    """A binhost states another digest for a package of this name: the file is not the one that was published."""

    package: str
    binhost: str
    path: str

    def __str__(self) -> str:
        return (
            f"{self.package} is not the package that {self.binhost} states as {self.path}: their digests differ. "
            "Do not install it; fetch the package again"
        )

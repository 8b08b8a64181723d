"""Every failure has a name, and carries what a person needs: what, where, why, and what to do next.

An error formats itself; nobody else composes its message. Exit codes are not made here but in cli/.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True, eq=False)
class PortageExtError(Exception):
    """The root of all of this project's errors. Subclasses are dataclasses whose ``__str__`` is one clear sentence."""

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process pools; the default pickles args, which dataclasses do not fill.
        return type(self), tuple(getattr(self, field.name) for field in fields(self))


@dataclass(slots=True, eq=False)
class UsageError(PortageExtError):
    """A command was called with words that do not go together."""

    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(slots=True, eq=False)
class InvalidCpvError(PortageExtError):
    """A text is not ``category/name-version``."""

    text: str

    def __str__(self) -> str:
        return f"{self.text!r} is no category/name-version (PMS 3.1, 3.2)"


@dataclass(slots=True, eq=False)
class InvalidEntryError(PortageExtError):
    """An entry of an index lacks a key, or has a value that cannot be read."""

    cpv: str
    key: str
    value: str

    def __str__(self) -> str:
        return f"index entry {self.cpv}: {self.key} is {'missing' if not self.value else repr(self.value)}"


@dataclass(slots=True, eq=False)
class PackageError(PortageExtError):
    """A binary package cannot be used; the subclasses say why. ``path`` is the file."""

    path: str
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"

    @property
    def reason(self) -> str:
        """The sentence without the path."""
        return self.detail


@dataclass(slots=True, eq=False)
class UnreadablePackageError(PackageError):
    """The file cannot be opened or read."""


@dataclass(slots=True, eq=False)
class EmptyPackageError(PackageError):
    """The file has no bytes: an interrupted copy, or a name that a running emerge has reserved."""


@dataclass(slots=True, eq=False)
class TruncatedPackageError(PackageError):
    """The file ends before what it announces."""


@dataclass(slots=True, eq=False)
class OversizedPackageError(PackageError):
    """Something in the file is larger than the bound in limits.py."""


@dataclass(slots=True, eq=False)
class MalformedPackageError(PackageError):
    """The container does not follow GLEP 78 (or the xpak format)."""


@dataclass(slots=True, eq=False)
class DigestMismatchError(PackageError):
    """A part of the container is not what its Manifest says."""


@dataclass(slots=True, eq=False)
class DecompressionError(PackageError):
    """The metadata cannot be decompressed, or the tool for it is absent."""


@dataclass(slots=True, eq=False)
class MissingMetadataError(PackageError):
    """CATEGORY, PF or SLOT is not in the metadata."""


@dataclass(slots=True, eq=False)
class MisnamedPackageError(PackageError):
    """The path does not agree with the names in the metadata."""


@dataclass(slots=True, eq=False)
class InvalidDependencyError(PackageError):
    """A dependency, licence or restriction in the metadata cannot be evaluated."""


@dataclass(slots=True, eq=False)
class UnacceptedSignatureError(PackageError):
    """The signature is missing, bad, or of a key that the verification keyring does not trust."""


@dataclass(slots=True, eq=False)
class ChangingPackageError(PackageError):
    """The file changed while it was read."""

"""Every failure has a name, and carries what a person needs: what, where, why, and what to do next.

An error formats itself; nobody else composes its message. Exit codes are not made here but in cli/. What others wrote is in
many errors, so none leaves here without having been made fit to be shown (shown.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, ClassVar

from portage_ext import shown
from portage_ext.folding import told
from portage_ext.words import counted


def _fit(said: Callable[[Any], str]) -> Callable[[Any], str]:
    @wraps(said)
    def fit(self: PortageExtError) -> str:
        return (shown.text if self.has_lines else shown.line)(said(self))

    return fit


@dataclass(slots=True, eq=False)
class PortageExtError(Exception):
    """The root of all of this project's errors. Subclasses are dataclasses whose ``__str__`` is one clear sentence."""

    has_lines: ClassVar[bool] = False
    """Whether the message has more than one line by itself; in all others a line break is somebody else's."""

    def __init_subclass__(cls) -> None:
        # Not through super(), which a dataclass with slots breaks.
        said = cls.__dict__.get("__str__")
        if said is not None and not hasattr(said, "__wrapped__"):  # slots make the class twice
            cls.__str__ = _fit(said)  # type: ignore[method-assign]

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
class RequestError(PortageExtError):
    """The words of a command are right, but what they ask for is not there, or cannot be done now."""

    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(slots=True, eq=False)
class ResolutionError(PortageExtError):
    """emerge could not resolve what was asked about; ``said`` are its own words."""

    has_lines = True
    said: str

    def __str__(self) -> str:
        return f"emerge could not resolve the request:\n{self.said}"


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

    @property
    def lasting(self) -> bool:
        """The verdict holds as long as the file stays as it is, so that it need not be opened again."""
        return True


@dataclass(slots=True, eq=False)
class UnreadablePackageError(PackageError):
    """The file cannot be opened or read."""

    @property
    def lasting(self) -> bool:
        return False


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

    @property
    def lasting(self) -> bool:
        return False


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

    @property
    def lasting(self) -> bool:
        return False


@dataclass(slots=True, eq=False)
class ChangingPackageError(PackageError):
    """The file changed while it was read."""

    @property
    def lasting(self) -> bool:
        return False


@dataclass(slots=True, eq=False)
class InvalidIndexError(PortageExtError):
    """An index cannot be read."""

    path: str
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


@dataclass(slots=True, eq=False)
class PkgdirError(PortageExtError):
    """PKGDIR cannot be used."""

    path: str
    detail: str

    def __str__(self) -> str:
        return f"PKGDIR {self.path}: {self.detail}"


@dataclass(slots=True, eq=False)
class MassRemovalError(PortageExtError):
    """An update would drop most of an index, which is the sign of a missing mount or keyring."""

    path: str
    before: int
    after: int
    why: Mapping[str, str]
    """The packages that are on the disk and left out, by path, with the reason."""

    def __str__(self) -> str:
        left = f"; left out: {told(self.why.items())}" if self.why else ""
        return (
            f"{self.path} lists {counted(self.before)}, and the new index would list {self.after}{left}. Nothing was written. "
            f"{remedy_of_loss(self.why)} If this is meant: portage-ext reindex --force"
        )


def remedy_of_loss(why: Mapping[str, str]) -> str:
    """What to do where packages are gone, or left out for the reasons ``why``."""
    reasons = set(why.values())
    if any("does not trust" in one for one in reasons):
        return "Let the verification keyring trust that key (gpg --import-ownertrust), then try again."
    if any("verification keyring" in one for one in reasons):
        return "Is the verification keyring the right one, and whole?"
    return "Mend, sign or remove these packages." if why else "Is a file system not mounted, or PKGDIR another one?"


@dataclass(slots=True, eq=False)
class VerificationUnavailableError(PortageExtError):
    """gpg could not be run over signed packages."""

    command: str
    detail: str

    def __str__(self) -> str:
        return f"signatures cannot be checked: {self.command}: {self.detail}"


@dataclass(slots=True, eq=False)
class OutputError(PortageExtError):
    """What arrives cannot be written here, whichever mirror it comes from."""

    path: str
    detail: str

    def __str__(self) -> str:
        return f"{self.path} could not be written ({self.detail}). Make room, or look at the file system, and try again"


@dataclass(slots=True, eq=False)
class LockError(PortageExtError):
    """A lock was not to be had. ``why`` says who may hold it, or what is wrong with its file."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


@dataclass(slots=True, eq=False)
class IndexWriteError(PortageExtError):
    """The index could not be written; the old one stands."""

    path: str
    detail: str

    def __str__(self) -> str:
        return f"{self.path} could not be written ({self.detail}); the old index stands"


# Living inside Portage.


@dataclass(slots=True, eq=False)
class UnknownPortageError(PortageExtError):
    """This Portage is not built the way something relies on. ``loss`` says what is off or cannot work, ``misfits`` why."""

    version: str
    loss: str
    misfits: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.loss}: {'; '.join(self.misfits)} (Portage {self.version}; `portage-ext check` says what to do)"


@dataclass(slots=True, eq=False)
class SettingsError(PortageExtError):
    """A configuration file cannot be read or says something that cannot be."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}. Correct the file; nothing is guessed in its place."


class UnreadableSettingsError(SettingsError):
    """A configuration file is there and cannot be read; ``why`` are the words of the system."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self.path} cannot be read: {self.why}"


# Toolchain first.


@dataclass(slots=True, eq=False)
class InvalidContractError(PortageExtError):
    """A text is not the line of a symbol contract."""

    text: str
    why: str

    def __str__(self) -> str:
        return f"{self.text!r} is not a symbol contract: {self.why}"


@dataclass(slots=True, eq=False)
class ToolchainModeError(PortageExtError):
    """The setting ``toolchain`` has a value that means nothing."""

    where: str
    value: str

    def __str__(self) -> str:
        return f'{self.where}: toolchain is {self.value!r}, and is one of "enforce", "order", "warn", "off"'


@dataclass(slots=True, eq=False)
class NoSuchPackageError(PortageExtError):
    """Nothing installed matches an atom, and no file is called so. ``also`` is where else it was looked for."""

    text: str
    also: str = ""

    def __str__(self) -> str:
        where = f"nothing installed{self.also and f', and nothing in {self.also},'} matches {self.text}"
        return f"{where}, and it is no file; name a binary package or a directory by its path"


# Explaining.


@dataclass(slots=True, eq=False)
class InvalidBuilderError(PortageExtError):
    """What a binhost says of its builder cannot be read."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}. Nothing was compared; ask the binhost's administrator to publish again"


@dataclass(slots=True, eq=False)
class UnreadableBuilderError(PortageExtError):
    """What this host would publish of itself is more than a client reads."""

    why: str

    def __str__(self) -> str:
        return (
            f"no client would read what this host says of its configuration: {self.why}. Shorten what is named, or set "
            "builder = false in [publish]"
        )


@dataclass(slots=True, eq=False)
class NoBuilderError(PortageExtError):
    """A release says nothing of its builder."""

    where: str

    def __str__(self) -> str:
        return (
            f"{self.where} says nothing about its builder: it was published before there was a builder.json, with "
            "builder = false in [publish], or from another PKGDIR than that of the publishing Portage. There: "
            "`portage-ext publish`, or `portage-ext compare --print` into a file to compare with"
        )

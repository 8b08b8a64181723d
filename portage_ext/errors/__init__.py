"""Every failure has a named error that says what failed, where, why, and what to do next.

An error formats its own message; no other module does that. Exit codes are made in cli/, not here. Many errors quote foreign
text, so every message passes through shown.py before it leaves this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ClassVar, dataclass_transform

from portage_ext import shown
from portage_ext.folding import told
from portage_ext.words import counted


def _fit(said: Callable[[Any], str]) -> Callable[[Any], str]:
    @wraps(said)
    def fit(self: PortageExtError) -> str:
        return (shown.text if self.has_lines else shown.line)(said(self))

    return fit


@dataclass_transform(eq_default=False)
class PortageExtError(Exception):
    """The base class of this project's errors. A subclass annotates its fields, as a dataclass does, and its ``__str__`` is one
    clear sentence.

    It is no real dataclass: every command and every emerge imports these classes, and generating the code of a dataclass takes
    a quarter of a millisecond for each.
    """

    has_lines: ClassVar[bool] = False
    """Whether the message itself has several lines. In all other messages a line break comes from foreign text."""
    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = [name for name, kind in cls.__annotations__.items() if not kind.startswith("ClassVar")]
        cls._fields = (*cls._fields, *(name for name in own if name not in cls._fields))
        said = cls.__dict__.get("__str__")
        if said is not None:
            cls.__str__ = _fit(said)  # type: ignore[method-assign]

    def __init__(self, *values: object, **named: object) -> None:
        given = dict(zip(self._fields, values, strict=False))
        wrong = [name for name in named if name in given or name not in self._fields]
        missing = [name for name in self._fields if name not in given and name not in named and not hasattr(type(self), name)]
        if wrong or missing or len(values) > len(self._fields):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._fields)}")
        for name, value in (given | named).items():
            setattr(self, name, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        """What a subclass does with its fields."""

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process pools. The default pickles ``args``, which lacks what was given by name.
        return type(self), tuple(getattr(self, name) for name in self._fields)


class UsageError(PortageExtError):
    """The arguments of a command contradict each other, or name something that does not exist."""

    what: str

    def __str__(self) -> str:
        return self.what


class RequestError(PortageExtError):
    """The words of a command are right, but what they ask for is not there, or cannot be done now."""

    what: str

    def __str__(self) -> str:
        return self.what


class ResolutionError(PortageExtError):
    """emerge could not resolve what was asked about; ``said`` are its own words."""

    has_lines = True
    said: str

    def __str__(self) -> str:
        return f"emerge could not resolve the request:\n{self.said}"


class InvalidCpvError(PortageExtError):
    """A text is not ``category/name-version``."""

    text: str

    def __str__(self) -> str:
        return f"{self.text!r} is not of the form category/name-version (PMS 3.1, 3.2)"


class InvalidEntryError(PortageExtError):
    """An index entry lacks a key, or has a value that cannot be read."""

    cpv: str
    key: str
    value: str

    def __str__(self) -> str:
        return f"index entry {self.cpv}: {self.key} is {'missing' if not self.value else repr(self.value)}"


class PackageError(PortageExtError):
    """A binary package cannot be used; the subclass says why. ``path`` is the file."""

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
        """Whether the error remains as long as the file does not change, so that the file need not be opened again."""
        return True


class UnreadablePackageError(PackageError):
    """The file cannot be opened or read."""

    @property
    def lasting(self) -> bool:
        return False


class EmptyPackageError(PackageError):
    """The file is empty: an interrupted copy, or a name that a running emerge has reserved."""


class TruncatedPackageError(PackageError):
    """The file is shorter than its headers say."""


class OversizedPackageError(PackageError):
    """Something in the file is larger than its bound in limits/."""


class MalformedPackageError(PackageError):
    """The container does not follow GLEP 78 (or the xpak format)."""


class DigestMismatchError(PackageError):
    """A part of the container does not match its Manifest."""


class DecompressionError(PackageError):
    """The metadata cannot be decompressed, or the program for it is not installed."""

    @property
    def lasting(self) -> bool:
        return False


class MissingMetadataError(PackageError):
    """CATEGORY, PF or SLOT is not in the metadata."""


class MisnamedPackageError(PackageError):
    """The path does not match the category, name and version in the metadata."""


class InvalidDependencyError(PackageError):
    """A dependency, licence or restriction in the metadata cannot be evaluated."""


class UnacceptedSignatureError(PackageError):
    """The signature is missing, bad, or made by a key that the verification keyring does not trust."""

    @property
    def lasting(self) -> bool:
        return False


class ChangingPackageError(PackageError):
    """The file changed while it was being read."""

    @property
    def lasting(self) -> bool:
        return False


class InvalidIndexError(PortageExtError):
    """An index cannot be read."""

    path: str
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


class PkgdirError(PortageExtError):
    """PKGDIR cannot be used."""

    path: str
    detail: str

    def __str__(self) -> str:
        return f"PKGDIR {self.path}: {self.detail}"


class MassRemovalError(PortageExtError):
    """An update would drop most of the index, which usually means a missing mount or keyring."""

    path: str
    before: int
    after: int
    why: Mapping[str, str]
    """The packages that exist on disk but are left out, by path, with the reason."""

    def __str__(self) -> str:
        left = f"; left out: {told(self.why.items())}" if self.why else ""
        return (
            f"{self.path} lists {counted(self.before)}, but the new index would list {self.after}{left}. "
            f"The index was not changed. {remedy_of_loss(self.why)} To write it anyway: portage-ext reindex --force"
        )


def remedy_of_loss(why: Mapping[str, str]) -> str:
    """What to do when packages are gone, or are left out for the reasons ``why``."""
    reasons = set(why.values())
    if any("does not trust" in one for one in reasons):
        return "Make the verification keyring trust that key (gpg --import-ownertrust), then try again."
    if any("verification keyring" in one for one in reasons):
        return "Check that the verification keyring is the right one and complete."
    if why:
        return "Repair, sign or remove these packages."
    return "Check that all file systems are mounted and that PKGDIR is the right directory."


class VerificationUnavailableError(PortageExtError):
    """gpg could not check the signatures of packages."""

    command: str
    detail: str

    def __str__(self) -> str:
        return f"cannot check signatures: {self.command}: {self.detail}"


class OutputError(PortageExtError):
    """A fetched file cannot be written on this host, so that another mirror would not help."""

    path: str
    detail: str

    def __str__(self) -> str:
        return f"cannot write {self.path} ({self.detail}). Free some space or check the file system, then try again"


class LockError(PortageExtError):
    """A lock could not be taken. ``why`` says which process holds it, or what is wrong with its file."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class IndexWriteError(PortageExtError):
    """The index could not be written; the old index is unchanged."""

    path: str
    detail: str

    def __str__(self) -> str:
        return f"cannot write {self.path} ({self.detail}); the old index is unchanged"


# Living inside Portage.


class UnknownPortageError(PortageExtError):
    """This Portage differs from what a feature relies on. ``loss`` says what is off or cannot work, ``misfits`` why."""

    version: str
    loss: str
    misfits: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.loss}: {'; '.join(self.misfits)} (Portage {self.version}; `portage-ext check` says what to do)"


class SettingsError(PortageExtError):
    """A configuration file cannot be read, or has a value that is not allowed."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}. Correct the file; no default is used in its place."


class UnreadableSettingsError(SettingsError):
    """A configuration file is there and cannot be read; ``why`` are the words of the system."""

    def __str__(self) -> str:
        return f"{self.path} cannot be read: {self.why}"


# Toolchain first.


class InvalidContractError(PortageExtError):
    """A text is not a symbol contract."""

    text: str
    why: str

    def __str__(self) -> str:
        return f"{self.text!r} is not a symbol contract: {self.why}"


class ToolchainModeError(PortageExtError):
    """The setting ``toolchain`` has an unknown value."""

    where: str
    value: str

    def __str__(self) -> str:
        return f'{self.where}: toolchain is {self.value!r}, but must be "enforce", "order", "warn" or "off"'


class NoSuchPackageError(PortageExtError):
    """No installed package matches an atom, and no file has that name. ``also`` is where else it was looked for."""

    text: str
    also: str = ""

    def __str__(self) -> str:
        where = f"no installed package{self.also and f' and no package in {self.also}'} matches {self.text}"
        return f"{where}, and there is no such file; for a binary package or a directory, give its path"


# Explaining.


class InvalidBuilderError(PortageExtError):
    """A builder.json cannot be read."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}. Nothing was compared; ask the binhost's administrator to publish again"


class UnreadableBuilderError(PortageExtError):
    """The builder.json of this host would be larger than clients accept."""

    why: str

    def __str__(self) -> str:
        return (
            f"clients would refuse the builder.json of this host: {self.why}. Shorten that value, or set "
            "builder = false in [publish]"
        )


class NoBuilderError(PortageExtError):
    """A release has no builder.json."""

    where: str

    def __str__(self) -> str:
        return (
            f"{self.where} has no builder.json: it was published by an older version, with builder = false, or from another "
            "PKGDIR than Portage's. Run `portage-ext publish` there, or compare with its `portage-ext compare --print`"
        )

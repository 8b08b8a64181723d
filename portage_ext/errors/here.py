"""What is missing on this host itself, with nothing of a binhost refused: gpg, keys, pins, roots, a Release, the installer."""

from __future__ import annotations

from dataclasses import dataclass

from portage_ext.errors import PortageExtError
from portage_ext.errors.trust import GpgError, KeyFileError, MissingReleaseError, MissingRootError


class MissingSecretKeyError(GpgError):
    """gpg has no secret key to sign with."""

    __slots__ = ()
    todo = "Run this as the user who has the key (often root), or name the gpg home with --homedir."


class MissingGpgError(GpgError):
    """There is no gpg on this host."""

    __slots__ = ()
    todo = "Install app-crypt/gnupg."


class UnreadableKeyFileError(KeyFileError):
    """A file of keys is not there, or this user may not read it."""

    __slots__ = ()
    todo = "Check the path and its permissions."


class ShortFingerprintError(KeyFileError):
    """Something in the place of a fingerprint is not a whole one, and somebody could make a key that fits it."""

    __slots__ = ()
    todo = "Use all 40 or 64 hex digits, from a source you trust."


class UnnamedKeyFileError(KeyFileError):
    """A key is wanted that Portage's keyring does not have, and nobody has said where it is."""

    __slots__ = ()
    todo = "Say where the key is with --from."


class NotPinnedError(KeyFileError):
    """A key is to be unpinned that is not pinned."""

    __slots__ = ()
    todo = "`portage-ext trust list` shows what is pinned."


class TooFewRootKeysError(KeyFileError):
    """Without a root key those that are left could not meet the threshold."""

    __slots__ = ()
    todo = "Pin all root keys that should count at once with `portage-ext trust add --root-key`."


class NoRootMadeError(MissingRootError):
    """A directory for roots has none that could be shown, signed or followed by another."""

    __slots__ = ()
    todo = "`portage-ext root init` makes the first one, and `portage-ext root sign` signs it."


class IncompleteRootsError(MissingRootError):
    """A directory for roots lacks one of them, or a public key that one of them names."""

    __slots__ = ()
    todo = "Copy what is missing into it: every root from the first on, and the public keys."


class NoReleaseMadeError(MissingReleaseError):
    """A PKGDIR of this host has no Release."""

    __slots__ = ()
    todo = "`portage-ext release sign` makes one; a tree has its Releases beside its channels."


class AdoptedKeyError(KeyFileError):
    """A fingerprint that is not a primary key's, or that another key claims as its subkey, which anybody can make a key do."""

    __slots__ = ()
    todo = (
        "A pin names a primary key. Pin the claiming key only if a source you trust names it as the binhost's primary key; "
        "otherwise somebody made it to get in: do not use it, and delete it where it is."
    )


@dataclass(slots=True, eq=False)
class InstallerMissingError(PortageExtError):
    """The installer ``script`` is not where this package was installed from; ``beside`` is where a checkout would have it."""

    script: str
    beside: str

    def __str__(self) -> str:
        return (
            f"cannot find the installer {self.script}: it is neither in {self.beside} nor among the files that pip or emerge "
            "installed with portage-ext. Reinstall portage-ext, or run the script from a checkout"
        )

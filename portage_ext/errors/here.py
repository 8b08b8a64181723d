"""What is missing on this host itself, when no binhost is to blame: gpg, keys, pins, roots, a Release, the installer."""

from __future__ import annotations

from portage_ext.errors import PortageExtError
from portage_ext.errors.trust import GpgError, KeyFileError, MissingReleaseError, MissingRootError


class MissingSecretKeyError(GpgError):
    """gpg has no secret key to sign with."""

    todo = "Run this command as the user who has the key (often root), or give the gpg home with --homedir."


class MissingGpgError(GpgError):
    """gpg is not installed on this host."""

    todo = "Install app-crypt/gnupg."


class UnreadableKeyFileError(KeyFileError):
    """A key file does not exist, or this user may not read it."""

    todo = "Check the path and its permissions."


class ShortFingerprintError(KeyFileError):
    """A fingerprint is incomplete, so an attacker could make another key that matches it."""

    todo = "Use all 40 or 64 hex digits, from a source you trust."


class UnnamedKeyFileError(KeyFileError):
    """Portage's keyring does not have the key, and no file or URL was given for it."""

    todo = "Give the file or URL of the key with --from."


class NotPinnedError(KeyFileError):
    """The key to unpin is not pinned."""

    todo = "`portage-ext trust list` shows what is pinned."


class TooFewRootKeysError(KeyFileError):
    """Without this root key, the remaining root keys could not reach the threshold."""

    todo = "Pin all wanted root keys in one command with `portage-ext trust add --root-key`."


class NoRootMadeError(MissingRootError):
    """A directory for roots has no root to show, sign or continue."""

    todo = "`portage-ext root init` makes the first one, and `portage-ext root sign` signs it."


class IncompleteRootsError(MissingRootError):
    """A directory for roots lacks a root, or a public key that a root names."""

    todo = "Copy the missing files into it: every root from the first on, and their public keys."


class NoReleaseMadeError(MissingReleaseError):
    """A PKGDIR of this host has no Release."""

    todo = "`portage-ext release sign` makes a Release. In a tree, each channel has its own Release."


class AdoptedKeyError(KeyFileError):
    """A fingerprint is not that of a primary key, or another key claims it as a subkey, which anybody can make a key do."""

    todo = (
        "A pin names a primary key. Pin the claiming key only if a source you trust names it as the binhost's primary key. "
        "Otherwise it is an attack: do not use that key, and delete it."
    )


class InstallerMissingError(PortageExtError):
    """The installer ``script`` is not where this package was installed from; ``beside`` is where a checkout would have it."""

    script: str
    beside: str

    def __str__(self) -> str:
        return (
            f"cannot find the installer {self.script}: it is neither in {self.beside} nor among the files that pip or emerge "
            "installed with portage-ext. Reinstall portage-ext, or run the script from a checkout"
        )

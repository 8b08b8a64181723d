"""Why something that a binhost offered was refused: one error a failure, named after it or after the attack.

They stand apart from errors.py, whose rules they keep, because there are so many ways to be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from portage_ext.errors import PortageExtError


@dataclass(slots=True, eq=False)
class TrustError(PortageExtError):
    """Something offered by a binhost was refused. ``where`` names the binrepo or file, ``why`` what is wrong with it.

    Its subclasses are named after the failure or the attack; each says in ``todo`` what a person can do next.
    """

    where: str
    why: str
    todo: ClassVar[str] = "Nothing of it was used."

    def __str__(self) -> str:
        return f"{self.where}: {self.why} [{type(self).__name__}]. {self.todo}"


class MalformedReleaseError(TrustError):
    """A Release is not in its one canonical form."""

    __slots__ = ()
    todo = "Tell the binhost's administrator, or use another mirror."


class MissingReleaseError(TrustError):
    """A binrepo that must publish a Release offers none."""

    __slots__ = ()
    todo = 'If this binhost never publishes one, set release = "optional" for it in portage-ext.toml.'


class UnsignedError(TrustError):
    """What must be signed is not."""

    __slots__ = ()
    todo = "Somebody may be replacing files on the way; use another mirror, or tell the binhost's administrator."


class BadSignatureError(TrustError):
    """A signature does not fit what it signs."""

    __slots__ = ()
    todo = "The file was changed after it was signed; use another mirror, or tell the binhost's administrator."


class UnknownKeyError(TrustError):
    """The only signatures are by keys that this host has never seen."""

    __slots__ = ()
    todo = "If the key is right, get its fingerprint from a source you trust and run `portage-ext trust add`."


class UntrustedKeyError(TrustError):
    """A key that is present, but not pinned for this binrepo, made the signature."""

    __slots__ = ()
    todo = "If it should be trusted for this binrepo, run `portage-ext trust add` with that fingerprint."


class ExpiredKeyError(TrustError):
    """A pinned key has expired."""

    __slots__ = ()
    todo = "Get the prolonged key or its successor from the binhost and run `portage-ext trust add`."


class ExpiredSignatureError(TrustError):
    """A signature of a pinned key carries an expiry of its own, which has passed."""

    __slots__ = ()
    todo = "Wait for the binhost to sign again."


class RevokedKeyError(TrustError):
    """A pinned key is revoked."""

    __slots__ = ()
    todo = "Do not use this binhost until it has a new key; then run `portage-ext trust add`."


class WeakSignatureError(TrustError):
    """A signature rests on a digest that can be forged (MD5, SHA1, RIPEMD160, SHA224)."""

    __slots__ = ()
    todo = "Ask the binhost to sign with SHA512."


class NoPinnedKeyError(TrustError):
    """No key is pinned for a binrepo whose Release must be checked."""

    __slots__ = ()
    todo = "Run `portage-ext trust add REPO --fingerprint FPR --from FILE`."


class RollbackError(TrustError):
    """The Release offered is older than one that this host has accepted."""

    __slots__ = ()
    todo = "The mirror is stale or replays an old state; use another one."


class EquivocationError(TrustError):
    """Two different Releases carry one version number."""

    __slots__ = ()
    todo = "The binhost, or somebody with its key, shows different hosts different things; tell its administrator."


class FarFutureVersionError(TrustError):
    """A version number so high that no later Release could follow it."""

    __slots__ = ()
    todo = "If the binhost says that the jump is right, run `portage-ext trust forget REPO`."


class ExpiredReleaseError(TrustError):
    """A Release is past its expiry."""

    __slots__ = ()
    todo = "The mirror is frozen, or the binhost no longer signs; look at this host's clock too."


class ClockError(TrustError):
    """The host's clock and a Release contradict each other."""

    __slots__ = ()
    todo = "Set this host's clock; if it is right, the binhost's is wrong."


class ForeignRepositoryError(TrustError):
    """The Release is of another repository or channel than the one this binrepo stands for."""

    __slots__ = ()
    todo = "Look at sync-uri; if the repository was set up anew, run `portage-ext trust forget REPO`."


class IndexMismatchError(TrustError):
    """The index is not the one that the Release names."""

    __slots__ = ()
    todo = "The mirror is being updated or was tampered with; try again, or use another one."


class GpgError(TrustError):
    """gpg could not be run, or did not do what was asked of it."""

    __slots__ = ()
    todo = "Run the same gpg command by hand to see more."


class KeyFileError(TrustError):
    """A file of keys does not hold the key that was asked for."""

    __slots__ = ()
    todo = "Get the key again, and its fingerprint from a source you trust."


class DamagedStateError(TrustError):
    """What this host remembers of a binrepo cannot be read; nothing is guessed in its place."""

    __slots__ = ()
    todo = "Run `portage-ext trust forget REPO` to begin anew."


class MirrorError(TrustError):
    """A mirror could not be used: no connection, an error status, an answer that is none, a transfer that broke off."""

    __slots__ = ()
    todo = "The other mirrors were tried too; look at the network, or try again later."


class NotFoundError(MirrorError):
    """A mirror does not have the file."""

    __slots__ = ()


class SlowMirrorError(MirrorError):
    """A mirror is slower than low-speed for low-speed-time, or silent for timeout (portage-ext.toml, [fetch])."""

    __slots__ = ()


class OversizedFileError(MirrorError):
    """A mirror sends more bytes than the file has; nothing behind the last right byte was read."""

    __slots__ = ()
    todo = "The mirror is broken or hostile; use another one."


class UnsupportedUrlError(TrustError):
    """A URL that cannot be fetched from."""

    __slots__ = ()
    todo = "Use http://, https:// or ssh:// in sync-uri and mirrors."


class CorruptFileError(TrustError):
    """What a mirror sent is whole, but not the file that was promised."""

    __slots__ = ()
    todo = "Every mirror was tried; it was changed on the way or on the mirror."


class ShortFileError(MirrorError):
    """A mirror's file ends before it has all its bytes."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class AllMirrorsFailedError(PortageExtError):
    """No mirror gave the file. ``reasons`` holds the last failure of each."""

    what: str
    reasons: tuple[TrustError, ...]

    def __str__(self) -> str:
        lines = "".join(f"\n  {reason}" for reason in self.reasons)
        return f"{self.what}: no mirror of {len(self.reasons)} gave it:{lines}"


class UnsafePathError(TrustError):
    """An entry of an index names a path that could lead out of its place."""

    __slots__ = ()


class EntryIdentityError(TrustError):
    """An entry of an index contradicts itself, or another entry."""

    __slots__ = ()


class WeakDigestError(TrustError):
    """An entry of an index lacks the digests or the size that a package can be trusted by."""

    __slots__ = ()
    todo = 'The binhost must index with `portage-ext reindex`; for one that cannot, set release = "optional".'


class ForeignUriError(TrustError):
    """An index sends its readers to another place than the ones configured."""

    __slots__ = ()
    todo = "If that place is right, name it in mirrors of this binrepo in portage-ext.toml."


class IndexClockError(TrustError):
    """An index is stamped in the future, not at all, or asks not to be looked at again for long."""

    __slots__ = ()
    todo = "Look at this host's clock; if it is right, tell the binhost's administrator."


class DamagedIndexError(TrustError):
    """An index cannot be decompressed within its bounds."""

    __slots__ = ()


class UnknownPackageError(TrustError):
    """A package is asked for that the verified index does not list."""

    __slots__ = ()
    todo = "Run emerge again, so that it reads the index anew."


class WrongPackageError(TrustError):
    """The file is a good package, but not the one that was asked for."""

    __slots__ = ()
    todo = "The binhost serves one package as another; tell its administrator."


class ChangedMetadataError(TrustError):
    """The index says of a package what the package does not say of itself."""

    __slots__ = ()
    todo = "The index was changed after the package was built; tell the binhost's administrator."

    @property
    def lasting(self) -> bool:
        return False


class UnusablePackageError(TrustError):
    """The file is what the index promised, but no package that could be installed safely."""

    __slots__ = ()
    todo = "The package is broken or hostile on the binhost itself; tell its administrator."

"""Why something that a binhost offered was refused: one error a failure, named after it or after the attack."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from portage_ext import shown
from portage_ext.errors import PortageExtError

_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def kind_of(error: type[TrustError]) -> str:
    """The name of a failure as it is printed and documented: a ``RollbackError`` is a ``rollback``."""
    return _WORD.sub("-", error.__name__.removesuffix("Error")).lower()


@dataclass(slots=True, eq=False)
class TrustError(PortageExtError):
    """Something offered by a binhost was refused. ``where`` names the binrepo or file, ``why`` what is wrong with it.

    Its subclasses are named after the failure or the attack; each says in ``todo`` what a person can do next.
    """

    where: str
    why: str
    todo: ClassVar[str] = "Nothing of it was used."
    transient: ClassVar[bool] = False
    """Whether the same mirror may offer something better in a moment, as one does that is being updated."""

    def __post_init__(self) -> None:
        # Both have words of a server in them, and are shown apart from the message, too.
        self.where, self.why = shown.line(self.where), shown.line(self.why)

    @property
    def kind(self) -> str:
        return kind_of(type(self))

    def __str__(self) -> str:
        return f"{self.where}: {self.why} [{self.kind}]. {self.todo}"


class MalformedReleaseError(TrustError):
    """A Release is not in its one canonical form."""

    __slots__ = ()
    todo = "Tell the binhost's administrator, or use another mirror."


class MalformedRootError(TrustError):
    """A root is not in its one canonical form, or delegates to what cannot be."""

    __slots__ = ()
    todo = "Tell the binhost's administrator, or use another mirror."


class MissingRootError(TrustError):
    """Root keys are pinned for a binrepo, and it offers no root that they vouch for."""

    __slots__ = ()
    todo = "If this binhost has no root, pin the key that signs its Releases: `portage-ext trust add REPO --fingerprint FPR`."


class ThresholdError(TrustError):
    """Fewer of the trusted keys have signed than must."""

    __slots__ = ()
    todo = "A single key may be in the wrong hands; tell the binhost's administrator that signatures are missing."


class RootRollbackError(TrustError):
    """An older root is offered in the place of a newer one."""

    __slots__ = ()
    todo = "Somebody replays an old delegation, perhaps to a key that was revoked since; use another mirror."


class SkippedRootError(TrustError):
    """A root is offered before those that lead to it."""

    __slots__ = ()
    todo = "The mirror is incomplete or hostile; use another one."


class ExpiredRootError(TrustError):
    """The newest root is past its expiry: nobody holding root keys has confirmed the release keys since."""

    __slots__ = ()
    todo = (
        "The mirror is frozen, or the binhost must publish a new root (`portage-ext root next`); look at this host's clock too."
    )


class TooManyRootsError(TrustError):
    """A mirror offers one root after another, more than a run follows."""

    __slots__ = ()
    todo = "If you have been away for that long, run it again: it goes on from the last one."


class UndelegatedKeyError(TrustError):
    """What is signed here would be refused by clients: the root beside it does not let these keys sign Releases."""

    __slots__ = ()
    todo = "Sign with a key that the root names, or publish a root that names this one; nothing was published."


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
    transient = True


class UnknownKeyError(TrustError):
    """The only signatures are by keys that this host has never seen."""

    __slots__ = ()
    todo = "If the key is right, get its fingerprint from a source you trust and run `portage-ext trust add`."


class UntrustedKeyError(TrustError):
    """A key that is present, but not pinned for this binrepo, made the signature."""

    __slots__ = ()
    todo = "If it should be trusted for this binrepo, run `portage-ext trust add` with that fingerprint."


class ExpiredKeyError(TrustError):
    """A pinned key has expired, and no prolonged one could be fetched."""

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
    """Two different Releases, or roots, carry one version number."""

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
    todo = "Look at sync-uri; if the repository was set up again from nothing, run `portage-ext trust forget REPO`."


class IndexMismatchError(TrustError):
    """The index is not the one that the Release names."""

    __slots__ = ()
    todo = "The mirror is being updated or was tampered with; try again, or use another one."
    transient = True


class MissingIndexError(TrustError):
    """A mirror has no form of the index that it should have. It was reached, so that no older index takes its place."""

    __slots__ = ()
    todo = "The mirror is being updated or is not whole; try again, or use another one."
    transient = True


class GpgError(TrustError):
    """gpg could not be run, or did not do what was asked of it."""

    __slots__ = ()
    todo = "Check that the key is in the gpg home, and that this user may read it."


class KeyFileError(TrustError):
    """A file of keys does not hold the key that was asked for."""

    __slots__ = ()
    todo = "Get the key again, and its fingerprint from a source you trust."


class DamagedStateError(TrustError):
    """What this host remembers of a binrepo cannot be read; nothing is guessed in its place."""

    __slots__ = ()
    todo = "Run `portage-ext trust forget REPO` to start again without it."


class TransferError(TrustError):
    """A file did not come from a mirror: it could not be reached, or does not have the file, or sent another one."""

    __slots__ = ()


class MirrorError(TransferError):
    """A mirror could not be used: no connection, an error status, an answer that is none, a transfer that broke off."""

    __slots__ = ()
    todo = "Check the URL and the network, or try again later."
    transient = True


class SlowMirrorError(MirrorError):
    """A mirror is slower than low-speed for low-speed-time, or silent for timeout (portage-ext.toml, [fetch])."""

    __slots__ = ()


class ShortFileError(MirrorError):
    """A mirror's file ends before it has all its bytes."""

    __slots__ = ()


class UnsupportedUrlError(MirrorError):
    """A URL that cannot be fetched from."""

    __slots__ = ()
    todo = "Use http://, https:// or ssh:// in sync-uri and mirrors."
    transient = False


class NotFoundError(TransferError):
    """A mirror does not have the file."""

    __slots__ = ()
    todo = "Look at sync-uri and mirrors; if they are right, tell the binhost's administrator."


class OversizedFileError(TransferError):
    """A mirror sends more bytes than the file has; nothing behind the last right byte was read."""

    __slots__ = ()
    todo = "The mirror is broken or hostile; use another one."
    transient = True


class CorruptFileError(TransferError):
    """What a mirror sent is whole, but not the file that was promised."""

    __slots__ = ()
    todo = "The file was changed on the mirror or on the way; use another mirror."


@dataclass(slots=True, eq=False)
class AllMirrorsFailedError(PortageExtError):
    """No mirror gave the file. ``reasons`` holds the last failure of each."""

    has_lines = True
    what: str
    reasons: tuple[TrustError, ...]

    def __str__(self) -> str:
        lines = "".join(f"\n  {reason}" for reason in self.reasons)
        tried = "" if len(self.reasons) == 1 else f" from any of {len(self.reasons)} mirrors"
        return f"{self.what} could not be fetched{tried}:{lines}"


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
    todo = "Run emerge again, so that it fetches the index again."


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

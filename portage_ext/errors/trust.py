"""Why something that a binhost offered was refused: one error a failure, named after it or after the attack."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from portage_ext import shown
from portage_ext.errors import PortageExtError

_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def kind_of(error: type[TrustError]) -> str:
    """The name of a failure as it is printed and documented: a ``RollbackError`` is a ``rollback``."""
    return _WORD.sub("-", error.__name__.removesuffix("Error")).lower()


class TrustError(PortageExtError):
    """Something that a binhost offered was refused. ``where`` names the binrepo or file, ``why`` what is wrong with it.

    The subclasses are named after the failure or the attack. Each says in ``todo`` what a person can do next.
    """

    where: str
    why: str
    todo: ClassVar[str] = "Nothing of it was used."
    transient: ClassVar[bool] = False
    """Whether a later attempt at the same mirror may succeed, because the mirror may be in the middle of an update."""

    def __post_init__(self) -> None:
        # Both quote text from a server, and are also shown without the message.
        self.where, self.why = shown.line(self.where), shown.line(self.why)

    @property
    def kind(self) -> str:
        return kind_of(type(self))

    def __str__(self) -> str:
        return f"{self.where}: {self.why} [{self.kind}]. {self.todo}"


class MalformedReleaseError(TrustError):
    """A Release is not in canonical form."""

    todo = "Tell the binhost's administrator, or use another mirror."


class MalformedRootError(TrustError):
    """A root is not in canonical form, or delegates to keys that cannot exist."""

    todo = "Tell the binhost's administrator, or use another mirror."


class MissingRootError(TrustError):
    """Root keys are pinned for a binrepo, but it offers no root that they have signed."""

    todo = "If this binhost has no root, pin the key that signs its Releases: `portage-ext trust add REPO --fingerprint FPR`."


class ThresholdError(TrustError):
    """Fewer trusted keys have signed than the threshold requires."""

    todo = "A single key may be stolen; tell the binhost's administrator that signatures are missing."


class RootRollbackError(TrustError):
    """An older root is offered instead of a newer one."""

    todo = "The mirror serves an old delegation, perhaps to a key that has been revoked since; use another mirror."


class SkippedRootError(TrustError):
    """A root is offered, but roots between it and the last known root are missing."""

    todo = "The mirror is incomplete or hostile; use another mirror."


class ExpiredRootError(TrustError):
    """The newest root has expired: nobody with root keys has confirmed the release keys in time."""

    todo = "The mirror is out of date, or the binhost needs a new root (`portage-ext root next`). Check this host's clock too."


class TooManyRootsError(TrustError):
    """A mirror offers more new roots than one run follows."""

    todo = "If this host was offline for that long, run the command again: it continues from the last root."


class UndelegatedKeyError(TrustError):
    """Clients would refuse what is signed here: the root beside it does not allow these keys to sign Releases."""

    todo = "Nothing was published. Sign with a key that the root names, or publish a root that names this key."


class MissingReleaseError(TrustError):
    """A binrepo offers no Release although a Release is required."""

    todo = 'If this binhost never publishes a Release, set release = "optional" for it in portage-ext.toml.'


class UnsignedError(TrustError):
    """A file or package that must be signed is not."""

    todo = "Somebody may have replaced files in transit; use another mirror, or tell the binhost's administrator."


class BadSignatureError(TrustError):
    """A signature does not match the signed data."""

    todo = "The file was changed after it was signed; use another mirror, or tell the binhost's administrator."
    transient = True


class UnknownKeyError(TrustError):
    """All signatures are by keys that this host does not know."""

    todo = "If the key is right, get its fingerprint from a source you trust and run `portage-ext trust add`."


class UntrustedKeyError(TrustError):
    """The signature is by a key that this host has, but that is not pinned for this binrepo."""

    todo = "If it should be trusted for this binrepo, run `portage-ext trust add` with that fingerprint."


class ExpiredKeyError(TrustError):
    """A pinned key has expired, and the binhost offers no prolonged version of it."""

    todo = "Get the prolonged key or its successor from the binhost, then run `portage-ext trust add`."


class ExpiredSignatureError(TrustError):
    """A signature by a pinned key has an expiry date of its own, which has passed."""

    todo = "Wait for the binhost to sign again."


class RevokedKeyError(TrustError):
    """A pinned key has been revoked."""

    todo = "Do not use this binhost until it has a new key; then run `portage-ext trust add`."


class WeakSignatureError(TrustError):
    """A signature uses a digest that can be forged (MD5, SHA1, RIPEMD160, SHA224)."""

    todo = "Ask the binhost to sign with SHA512."


class NoPinnedKeyError(TrustError):
    """No key is pinned for a binrepo whose Release must be checked."""

    todo = "Run `portage-ext trust add REPO --fingerprint FPR --from FILE`."


class RollbackError(TrustError):
    """The offered Release is older than one that this host has accepted."""

    todo = "The mirror is stale or replays an old state; use another mirror."


class EquivocationError(TrustError):
    """Two different Releases, or two different roots, have the same version number."""

    todo = "The binhost, or somebody with its key, serves different data to different hosts; tell its administrator."


class FarFutureVersionError(TrustError):
    """A version number is so high that no later Release could follow it."""

    todo = "If the binhost says that the jump is right, run `portage-ext trust forget REPO`."


class ExpiredReleaseError(TrustError):
    """A Release has expired."""

    todo = "The mirror is out of date, or the binhost no longer signs. Check this host's clock too."


class ClockError(TrustError):
    """The host's clock and a Release contradict each other."""

    todo = "Set this host's clock; if it is right, the clock of the binhost is wrong."


class ForeignRepositoryError(TrustError):
    """The Release belongs to another repository or channel than this binrepo."""

    todo = "Look at sync-uri; if the repository was set up again from nothing, run `portage-ext trust forget REPO`."


class IndexMismatchError(TrustError):
    """The index is not the one that the Release names."""

    todo = "The mirror is being updated or was tampered with; try again, or use another mirror."
    transient = True


class MissingIndexError(TrustError):
    """A mirror answers, but has no form of the index. Because it answers, no older index is used instead."""

    todo = "The mirror is being updated or is incomplete; try again, or use another mirror."
    transient = True


class GpgError(TrustError):
    """gpg could not be started, or failed."""

    todo = "Check that the key is in the gpg home, and that this user may read it."


class KeyFileError(TrustError):
    """A key file does not contain the requested key."""

    todo = "Get the key again, and its fingerprint from a source you trust."


class DamagedStateError(TrustError):
    """The recorded state of a binrepo is damaged. No default is used in its place."""

    todo = "Run `portage-ext trust forget REPO` to start again without it."


class TransferError(TrustError):
    """A file could not be fetched from a mirror: no connection, no such file, or the wrong content."""


class MirrorError(TransferError):
    """A mirror could not be used: no connection, an error status, an invalid answer, an interrupted transfer."""

    todo = "Check the URL and the network, or try again later."
    transient = True


class SlowMirrorError(MirrorError):
    """A mirror is slower than low-speed for low-speed-time, or silent for timeout (portage-ext.toml, [fetch])."""


class ShortFileError(MirrorError):
    """A mirror sent fewer bytes than the file has."""


class UnsupportedUrlError(MirrorError):
    """A URL that cannot be fetched from."""

    todo = "Use http://, https:// or ssh:// in sync-uri and mirrors."
    transient = False


class NotFoundError(TransferError):
    """A mirror does not have the file."""

    todo = "Check sync-uri and mirrors; if they are right, tell the binhost's administrator."


class OversizedFileError(TransferError):
    """A mirror sent more bytes than the file has. The surplus was not read."""

    todo = "The mirror is broken or hostile; use another mirror."
    transient = True


class CorruptFileError(TransferError):
    """A mirror sent a complete file with the wrong content."""

    todo = "The file was changed on the mirror or on the way; use another mirror."


class AllMirrorsFailedError(PortageExtError):
    """No mirror delivered the file. ``reasons`` has the last failure of each mirror."""

    has_lines = True
    what: str
    reasons: tuple[TrustError, ...]

    def __str__(self) -> str:
        lines = "".join(f"\n  {reason}" for reason in self.reasons)
        tried = "" if len(self.reasons) == 1 else f" from any of {len(self.reasons)} mirrors"
        return f"{self.what} could not be fetched{tried}:{lines}"


class UnsafePathError(TrustError):
    """An index entry names a path that could lead out of PKGDIR."""


class EntryIdentityError(TrustError):
    """An index entry contradicts itself or another entry."""


class WeakDigestError(TrustError):
    """An index entry lacks the size or the digests that are needed to verify the package."""

    todo = 'The binhost must index with `portage-ext reindex`; if it cannot, set release = "optional" for it.'


class ForeignUriError(TrustError):
    """An index redirects to a URL that is not configured."""

    todo = "If that URL is right, add it to `mirrors` of this binrepo in portage-ext.toml."


class IndexClockError(TrustError):
    """An index has a TIMESTAMP in the future or none, or a TTL that is too long."""

    todo = "Check this host's clock; if it is right, tell the binhost's administrator."


class DamagedIndexError(TrustError):
    """An index cannot be decompressed within the limits."""


class UnknownPackageError(TrustError):
    """The requested package is not in the verified index."""

    todo = "Run emerge again, so that it fetches the index again."


class WrongPackageError(TrustError):
    """The file is a valid package, but not the requested package."""

    todo = "The binhost serves one package as another; tell its administrator."


class ChangedMetadataError(TrustError):
    """The index and the package disagree about the package's metadata."""

    todo = "The index was changed after the package was built; tell the binhost's administrator."

    @property
    def lasting(self) -> bool:
        return False


class UnusablePackageError(TrustError):
    """The file matches the index, but is not a package that can be installed safely."""

    todo = "The package on the binhost is broken or hostile; tell its administrator."

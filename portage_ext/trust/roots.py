"""This state machine follows roots, as TUF does. It does no I/O: bytes, verdicts, time and memory are passed in.

The rules, for a binrepo with pinned root keys and the root that this host trusts:

1. The first root is the newest one that enough of the pinned root keys have signed. Older roots are skipped.
2. Every later root must be signed by enough root keys of the root before it, so that nobody can add keys of their own.
3. Every root, also the first, must be signed by enough of its own root keys, so that it names only keys that can sign the next.
4. Versions increase by one. No version is skipped, none is repeated, and the trusted root cannot change its content.
5. All roots belong to the same repository.
6. Only the last root must not be expired. A host that was offline for long still follows expired roots to the last one.
7. The last root decides: it names the release keys, how many of them must sign, and the lowest accepted version of a Release.
8. Signatures by a root key that the administrator removed never count, even if a root names the key. Otherwise an old root with
   enough stolen keys could lead to a next root that the thief signed.

When the administrator changes the pins, the trusted root stays valid if enough of the pinned keys and enough of its own keys
have signed it. If not, it depends on removed keys, and the next contact with the binhost is treated as the first one. It is not
enough that the root names pinned keys: a thief with enough of the other keys could name them beside a key of his own.
"""

from __future__ import annotations

from collections.abc import Sequence

from portage_ext import limits
from portage_ext.errors.trust import (
    ClockError,
    EquivocationError,
    ExpiredRootError,
    ForeignRepositoryError,
    NoPinnedKeyError,
    RootRollbackError,
    SkippedRootError,
    ThresholdError,
    UnknownKeyError,
    UntrustedKeyError,
)
from portage_ext.model.root import Root
from portage_ext.records import record, replace
from portage_ext.trust import openpgp
from portage_ext.trust import root as root_text
from portage_ext.trust.keyrings import RootPins
from portage_ext.words import second


@record
class Believed:
    """The trusted root: the published bytes, the pins that it was verified with, and which root keys have signed it (of the
    root before it, and of its own)."""

    root: Root
    data: bytes
    pins: RootPins
    signers: frozenset[str] = frozenset()


def still_believed(pins: RootPins, kept: Believed | None) -> Believed | None:
    """Return ``kept`` if it is valid under the current pins, else None."""
    if kept is None or kept.pins == pins:
        return kept
    signers = kept.signers - pins.removed
    by_pins, by_own = signers & pins.keys, signers & frozenset(kept.root.root_keys)
    still = len(by_pins) >= pins.threshold and len(by_own) >= kept.root.root_threshold
    return replace(kept, pins=pins) if still else None


def _signers(
    where: str, keys: frozenset[str], threshold: int, pins: RootPins, found: Sequence[openpgp.Signature]
) -> frozenset[str]:
    """Those of ``keys`` whose signatures count under rule 8. Raises a TrustError if there are fewer than ``threshold``."""
    try:
        return openpgp.vouching(found, keys - pins.removed, threshold, where)
    except (NoPinnedKeyError, ThresholdError, UnknownKeyError, UntrustedKeyError) as error:
        gone = sorted(keys & pins.removed & {one.primary for one in found})
        if not gone:
            raise
        why = "the signature of a root key that was taken out on this host does not count"
        raise ThresholdError(where, f"{why} ({', '.join(gone)}), and those that do are too few") from error


def vouched(where: str, before: Believed | RootPins, data: bytes, found: Sequence[openpgp.Signature]) -> Root:
    """Apply rules 1, 2 and 8: parse the root in ``data`` after checking that enough of the keys trusted ``before`` signed it.

    Raises the TrustError that is named after the broken rule.
    """
    if isinstance(before, Believed):
        _signers(where, frozenset(before.root.root_keys), before.root.root_threshold, before.pins, found)
    else:
        _signers(where, before.keys, before.threshold, before, found)
    return root_text.parse(data, where)


def accept(where: str, before: Believed | RootPins, version: int, data: bytes, found: Sequence[openpgp.Signature]) -> Believed:
    """Apply rules 1 to 5 and 8 to ``data``, which was offered as root ``version``. The keys that it names must be fetched
    before.

    Raises the TrustError that is named after the broken rule.
    """
    root = vouched(where, before, data, found)
    last, pins = (before, before.pins) if isinstance(before, Believed) else (None, before)
    _in_order(where, last, version, root, data)
    if last is not None and root.repository != last.root.repository:
        raise ForeignRepositoryError(where, f"it is of repository {root.repository}, not {last.root.repository}")
    own = _signers(where, frozenset(root.root_keys), root.root_threshold, pins, found)
    known = frozenset(last.root.root_keys) if last is not None else pins.keys
    return Believed(root, data, pins, own | _signers(where, known, 1, pins, found))


def _in_order(where: str, last: Believed | None, version: int, root: Root, data: bytes) -> None:
    if last is not None and root.version == last.root.version and data != last.data:
        raise EquivocationError(where, f"its root {root.version} differs from the root {root.version} seen before")
    if root.version < version:
        raise RootRollbackError(where, f"root {root.version} is offered in the place of root {version}")
    if root.version > version:
        raise SkippedRootError(where, f"root {root.version} is offered in the place of root {version}")


def in_time(where: str, root: Root, now: int) -> None:
    """Apply rule 6 to the last root; ``now`` is in seconds since the epoch. Raises ExpiredRootError, ClockError."""
    called, clock = f"its root {root.version}", f"this host's clock says {second(now)}"
    if root.created > now + limits.CLOCK_SKEW:
        raise ClockError(where, f"{called} was created at {second(root.created)}, but {clock}")
    if root.expires <= now:
        raise ExpiredRootError(where, f"{called} expired at {second(root.expires)}; {clock}")

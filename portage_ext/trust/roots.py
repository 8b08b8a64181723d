"""The state machine that follows roots, as TUF has it. It does no I/O: bytes, verdicts, clock and memory come in.

The rules, for a binrepo with pinned root keys and the root that this host believes:

1. The first root is the newest that enough of the pinned root keys have signed. Those before it are passed over.
2. Each further root is signed by enough root keys of the one before it, so that nobody brings themselves in,
3. and by enough of its own, so that nobody is named who cannot sign the next one. That holds for the first one, too.
4. Versions grow by one: none is skipped, none comes back, and the one believed has one content.
5. All are of one repository.
6. The last one alone must not have expired: a host that was away follows the old ones all the same.
7. What it names is what counts: its release keys, as many of them as it says, and no Release below the least one.
8. No signature of a root key that the administrator took out counts for any of this, whatever root names the key: else an old
   root that names enough stolen keys would lead to the next one that they sign.

When the administrator changes the pins, the root believed goes on to count if enough of the pinned keys have signed it, and
enough of its own; if not, what was believed rests on keys that were taken away, and the next contact is the first. That it
names pinned keys says nothing: who had stolen enough of the others may name them beside a key of his own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from portage_ext.trust import openpgp
from portage_ext.trust import root as root_text
from portage_ext.trust.keyrings import RootPins
from portage_ext.words import second


@dataclass(frozen=True, slots=True)
class Believed:
    """The root that is believed: as published, the pins that it rests on, and those of the root keys before it and of its own
    that have signed it."""

    root: Root
    data: bytes
    pins: RootPins
    signers: frozenset[str] = frozenset()


def still_believed(pins: RootPins, kept: Believed | None) -> Believed | None:
    """What was ``kept``, as far as it counts under the pins as they are now."""
    if kept is None or kept.pins == pins:
        return kept
    signers = kept.signers - pins.removed
    by_pins, by_own = signers & pins.keys, signers & frozenset(kept.root.root_keys)
    still = len(by_pins) >= pins.threshold and len(by_own) >= kept.root.root_threshold
    return replace(kept, pins=pins) if still else None


def _signers(
    where: str, keys: frozenset[str], threshold: int, pins: RootPins, found: Sequence[openpgp.Signature]
) -> frozenset[str]:
    """Rule 8: those of ``keys`` whose signatures count. Raises a TrustError."""
    try:
        return openpgp.vouching(found, keys - pins.removed, threshold, where)
    except (NoPinnedKeyError, ThresholdError, UnknownKeyError, UntrustedKeyError) as error:
        gone = sorted(keys & pins.removed & {one.primary for one in found})
        if not gone:
            raise
        why = "the signature of a root key that was taken out on this host does not count"
        raise ThresholdError(where, f"{why} ({', '.join(gone)}), and those that do are too few") from error


def vouched(where: str, before: Believed | RootPins, data: bytes, found: Sequence[openpgp.Signature]) -> Root:
    """Rules 1, 2 and 8: the root in ``data``, signed by enough of the keys believed ``before``. Only now may it be read.

    Raises a TrustError named after the rule broken.
    """
    if isinstance(before, Believed):
        _signers(where, frozenset(before.root.root_keys), before.root.root_threshold, before.pins, found)
    else:
        _signers(where, before.keys, before.threshold, before, found)
    return root_text.parse(data, where)


def accept(where: str, before: Believed | RootPins, version: int, data: bytes, found: Sequence[openpgp.Signature]) -> Believed:
    """Rules 1 to 5 and 8 for what was offered as root ``version``, once the keys that it names are there to check it.

    Raises a TrustError named after the rule broken.
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
    """Rule 6, for the last root; ``now`` in seconds since the epoch. Raises ExpiredRootError, ClockError."""
    called, clock = f"its root {root.version}", f"this host's clock says {second(now)}"
    if root.created > now + limits.CLOCK_SKEW:
        raise ClockError(where, f"{called} was created at {second(root.created)}, but {clock}")
    if root.expires <= now:
        raise ExpiredRootError(where, f"{called} expired at {second(root.expires)}; {clock}")

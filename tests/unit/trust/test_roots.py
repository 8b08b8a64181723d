"""The state machine that follows roots, by itself: keys are letters, and every rotation that TUF knows is played in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext.errors.trust import (
    BadSignatureError,
    ClockError,
    EquivocationError,
    ExpiredRootError,
    ForeignRepositoryError,
    MalformedRootError,
    RootRollbackError,
    SkippedRootError,
    ThresholdError,
    TrustError,
    UnsignedError,
    UntrustedKeyError,
)
from portage_ext.model.root import Root
from portage_ext.trust import root as root_text
from portage_ext.trust.keyrings import RootPins
from portage_ext.trust.openpgp import Signature, Verdict
from portage_ext.trust.roots import Believed, accept, in_time, still_believed

NOW = 1_795_000_000
K = "F" * 40


def key(name: str) -> str:
    """The fingerprint of the key called by a letter."""
    return name * 40


def keys(names: str) -> tuple[str, ...]:
    return tuple(sorted({key(name) for name in names}))


def by(names: str, verdict: Verdict = Verdict.GOOD) -> tuple[Signature, ...]:
    return tuple(Signature(verdict, key(one)[-16:], key(one), key(one), NOW - 60, 10, "00") for one in names)


def root(version: int, names: str, threshold: int = 1, **changes: object) -> Root:
    made = Root("repo-one", version, NOW - 60, NOW + 86400, 1, threshold, keys(names), 1, (K,))
    return replace(made, **changes)  # type: ignore[arg-type]


def pins(names: str, threshold: int = 1) -> RootPins:
    return RootPins(frozenset(keys(names)), threshold)


def take(before: Believed | RootPins, made: Root, signers: str | Sequence[Signature], version: int | None = None) -> Believed:
    """Offer ``made`` as root ``version``, signed by ``signers``."""
    found = by(signers) if isinstance(signers, str) else tuple(signers)
    wanted = version or (before.root.version + 1 if isinstance(before, Believed) else made.version)
    return accept("lab", before, wanted, root_text.emit(made), found)


FIRST = take(pins("A"), root(1, "A"), "A")


def test_a_first_root_is_believed_by_the_pinned_keys() -> None:
    assert FIRST.root.release_keys == (K,)
    with pytest.raises(UntrustedKeyError):
        take(pins("A"), root(1, "AB"), "B")
    with pytest.raises(UnsignedError):
        take(pins("A"), root(1, "A"), ())


def test_the_first_root_needs_as_many_pinned_keys_as_were_asked_for() -> None:
    with pytest.raises(ThresholdError):
        take(pins("ABC", 2), root(1, "ABC", 1), "A")
    assert take(pins("ABC", 2), root(1, "ABC", 1), "AC").root.version == 1


def test_a_pinned_key_that_the_first_root_does_not_name_signs_beside_those_it_names() -> None:
    with pytest.raises(UntrustedKeyError):
        take(pins("A"), root(1, "B"), "A")
    assert take(pins("A"), root(1, "B"), "AB").root.root_keys == keys("B")


# Each case: root keys and threshold before, root keys and threshold of the next one, who signs it, the error.
ROTATIONS: dict[str, tuple[str, int, str, int, str, type[TrustError] | None]] = {
    "no change": ("A", 1, "A", 1, "A", None),
    "another key": ("A", 1, "B", 1, "AB", None),
    "another key, signed by the new one only": ("A", 1, "B", 1, "B", UntrustedKeyError),
    "another key, signed by the old one only": ("A", 1, "B", 1, "A", UntrustedKeyError),
    "another key, signed by nobody": ("A", 1, "B", 1, "", UnsignedError),
    "another key, signed by a third one": ("A", 1, "B", 1, "C", UntrustedKeyError),
    "more keys than needed have signed": ("A", 1, "B", 1, "ABC", None),
    "threshold met": ("ABCDE", 3, "ABCDE", 3, "ACE", None),
    "threshold met by enough of old and new": ("ABC", 2, "BCD", 2, "BC", None),
    "threshold not met": ("ABCDE", 3, "ABCDE", 3, "AC", ThresholdError),
    "old threshold not met": ("ABC", 2, "CDE", 2, "CDE", ThresholdError),
    "new threshold not met": ("ABC", 2, "CDE", 2, "ABC", ThresholdError),
    "threshold met by one key twice": ("AB", 2, "AB", 2, "AA", ThresholdError),
    "threshold raised and met": ("AB", 1, "AB", 2, "AB", None),
    "threshold raised and not met": ("AB", 1, "AB", 2, "A", ThresholdError),
    "threshold lowered by enough": ("AB", 2, "AB", 1, "AB", None),
    "threshold lowered by too few": ("AB", 2, "AB", 1, "A", ThresholdError),
}


@pytest.mark.parametrize("case", ROTATIONS.values(), ids=ROTATIONS)
def test_a_rotation_of_root_keys(case: tuple[str, int, str, int, str, type[TrustError] | None]) -> None:
    old, old_threshold, new, new_threshold, signers, error = case
    before = Believed(root(1, old, old_threshold), b"", pins(old[0]))
    made = root(2, new, new_threshold)
    if error is None:
        signed = frozenset(keys(signers)) & {*keys(old), *keys(new)}
        assert take(before, made, signers) == Believed(made, root_text.emit(made), pins(old[0]), signed)
    else:
        with pytest.raises(error):
            take(before, made, signers)


def test_two_signatures_by_subkeys_of_one_key_are_one() -> None:
    subkeys = [replace(one, fingerprint=key(name)) for one, name in zip(by("AA"), "DE", strict=True)]
    before = Believed(root(1, "AB", 2), b"", pins("A"))
    with pytest.raises(ThresholdError):
        take(before, root(2, "AB", 2), subkeys)


@pytest.mark.parametrize("verdict", [Verdict.EXPIRED_KEY, Verdict.REVOKED_KEY, Verdict.EXPIRED_SIGNATURE, Verdict.UNCHECKED])
def test_only_good_signatures_count_towards_the_threshold(verdict: Verdict) -> None:
    before = Believed(root(1, "AB", 2), b"", pins("A"))
    with pytest.raises(ThresholdError):
        take(before, root(2, "AB", 2), by("A") + by("B", verdict))


def test_one_bad_signature_beside_enough_good_ones_refuses() -> None:
    with pytest.raises(BadSignatureError):
        take(FIRST, root(2, "A"), by("A") + by("C", Verdict.BAD))


def test_a_host_that_was_away_for_two_rotations_follows_through_both() -> None:
    second = take(FIRST, root(2, "B"), "AB")
    third = take(second, root(3, "C"), "BC")
    assert third.root.root_keys == keys("C")
    with pytest.raises(UntrustedKeyError):
        take(FIRST, root(2, "C"), "BC")


def test_an_old_root_in_the_place_of_the_next_one_is_a_rollback() -> None:
    second = take(FIRST, root(2, "A"), "A")
    with pytest.raises(RootRollbackError):
        take(second, root(1, "A"), "A", 3)
    with pytest.raises(RootRollbackError):
        take(second, root(2, "A"), "A", 3)


def test_a_skipped_version() -> None:
    with pytest.raises(SkippedRootError):
        take(FIRST, root(3, "A"), "A", 2)
    with pytest.raises(SkippedRootError):
        take(pins("A"), root(3, "A"), "A", 1)


def test_the_same_version_with_other_content_is_an_equivocation() -> None:
    with pytest.raises(EquivocationError):
        take(FIRST, root(1, "AB"), "A", 2)


def test_a_root_of_another_repository_by_the_same_keys() -> None:
    with pytest.raises(ForeignRepositoryError):
        take(FIRST, root(2, "A", repository="repo-two"), "A")


def test_an_unknown_field_is_refused_although_it_is_signed() -> None:
    data = root_text.emit(root(2, "A")).replace(b"Least-Release", b"Also: 1\nLeast-Release")
    with pytest.raises(MalformedRootError):
        accept("lab", FIRST, 2, data, by("A"))


def test_the_signature_is_judged_before_a_byte_is_read() -> None:
    with pytest.raises(UntrustedKeyError):
        accept("lab", FIRST, 2, b"garbage", by("C"))


def test_an_expired_root_is_followed_and_only_the_last_one_must_hold() -> None:
    old = take(pins("A"), root(1, "A", created=NOW - 200, expires=NOW - 100), "A")
    with pytest.raises(ExpiredRootError):
        in_time("lab", old.root, NOW)
    in_time("lab", take(old, root(2, "A"), "A").root, NOW)
    with pytest.raises(ClockError):
        in_time("lab", FIRST.root, NOW - 86400)


def test_changed_pins_keep_a_root_that_they_vouch_for_and_forget_any_other() -> None:
    moved = take(FIRST, root(2, "BC", 2), "ABC")
    assert still_believed(pins("A"), moved) == moved
    assert still_believed(pins("B"), moved) == replace(moved, pins=pins("B"))
    assert still_believed(pins("BC", 2), moved) == replace(moved, pins=pins("BC", 2))
    assert still_believed(pins("BD", 2), moved) is None
    assert still_believed(pins("D"), moved) is None
    assert still_believed(pins("A"), None) is None


def test_a_root_by_stolen_keys_is_forgotten_with_them_although_it_names_the_others() -> None:
    honest = take(pins("ABC", 2), root(1, "ABC", 2), "ABC")
    stolen = take(honest, root(2, "CDE"), "ABE")
    further = take(stolen, root(3, "CDE"), "E")
    for changed in (pins("C"), pins("CD", 2), pins("BC", 2)):
        assert still_believed(changed, stolen) is None
        assert still_believed(changed, further) is None


def without(names: str, threshold: int, removed: str) -> RootPins:
    return replace(pins(names, threshold), removed=frozenset(keys(removed)))


OLD = take(pins("ABCD", 2), root(1, "ABCD", 2), "ABCD")
"""An honest root that names A and B beside the others; then they are stolen."""


def test_an_old_root_that_names_removed_keys_does_not_lead_to_the_next_one_that_they_sign() -> None:
    still = still_believed(without("CD", 2, "AB"), OLD)
    assert still is not None
    with pytest.raises(ThresholdError, match=key("A")):
        take(still, root(2, "E"), "ABE")
    assert take(still, root(2, "CDE", 2), "CD").root.version == 2
    # Nor do they help a root for which too few of the others have signed.
    with pytest.raises(ThresholdError, match="taken out"):
        take(still, root(2, "CDE", 2), "ACE")
    with pytest.raises(ThresholdError):
        take(still, root(2, "CDE", 2), "CE")


def test_a_new_client_does_not_count_removed_keys_under_the_first_root() -> None:
    with pytest.raises(ThresholdError, match="taken out"):
        take(without("C", 1, "AB"), root(1, "ABC", 2), "ABC")
    with pytest.raises(ThresholdError, match="taken out"):
        take(without("A", 1, "A"), root(1, "B"), "AB")
    first = take(without("CD", 2, "AB"), root(1, "ABCD", 2), "ABCD")
    assert first.signers == frozenset(keys("CD"))
    with pytest.raises(ThresholdError, match="taken out"):
        take(first, root(2, "E"), "ABE")


def test_a_root_that_removed_keys_must_sign_goes_with_them() -> None:
    assert still_believed(without("C", 1, "ABD"), OLD) is None
    assert still_believed(without("C", 1, "AB"), OLD) is not None
    # Also where the pins stay: the key need not be pinned to be stolen.
    assert still_believed(without("ABCD", 2, "ABC"), OLD) is None


NAMES = st.text("ABCDE", min_size=1, max_size=5)


@given(st.lists(st.tuples(NAMES, st.integers(1, 3), st.text("ABCDE", max_size=5), st.integers(1, 4)), max_size=8))
def test_nothing_is_believed_without_enough_of_the_keys_before_and_of_its_own(
    offered: list[tuple[str, int, str, int]],
) -> None:
    before = FIRST
    for names, threshold, signers, version in offered:
        made = root(version, names, min(threshold, len(set(names))))
        allowed = (
            version == before.root.version + 1
            and len({key(one) for one in signers} & {*before.root.root_keys}) >= before.root.root_threshold
            and len({key(one) for one in signers} & {*made.root_keys}) >= made.root_threshold
        )
        try:
            after = take(before, made, signers)
        except TrustError:
            assert not allowed
        else:
            assert allowed
            assert after.root.version == before.root.version + 1
            before = after

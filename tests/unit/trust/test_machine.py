"""The state machine by itself: verdicts and clock are values, so every state can be reached in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext import limits
from portage_ext.errors.trust import (
    ClockError,
    EquivocationError,
    ExpiredReleaseError,
    FarFutureVersionError,
    ForeignRepositoryError,
    IndexMismatchError,
    MalformedReleaseError,
    MissingReleaseError,
    RollbackError,
    UnsignedError,
    UntrustedKeyError,
)
from portage_ext.model.release import IndexFile, Release
from portage_ext.trust import release as release_text
from portage_ext.trust.machine import Accepted, Seen, Terms, accept, forgotten, trusted_keys, without_release
from portage_ext.trust.openpgp import Signature, Verdict

K1, K2, K3 = (letter * 40 for letter in "ABC")
NOW = 1_795_000_000
TERMS = Terms("lab", frozenset({K1}))
PLAIN = IndexFile("Packages", 10, "a" * 128, "b" * 128)
BASE = Release("repo-one", "production", 5, NOW - 60, NOW + 86400, (), (PLAIN,))


def by(key: str) -> tuple[Signature, ...]:
    return (Signature(Verdict.GOOD, key[-16:], key, key, NOW - 60, 10, "00"),)


def take(release: Release = BASE, seen: Seen | None = None, *, terms: Terms = TERMS, key: str = K1, now: int = NOW) -> Accepted:
    return accept(terms, seen, release_text.emit(release), by(key), now)


SEEN = take().seen


def test_a_first_release_is_accepted_and_remembered() -> None:
    assert Seen("repo-one", "production", 5, NOW - 60, SEEN.digest, K1, frozenset({K1}), frozenset({K1})) == SEEN


def test_the_same_release_again_and_a_newer_one_are_accepted() -> None:
    assert take(seen=SEEN).seen == SEEN
    assert take(replace(BASE, version=6), SEEN).seen.version == 6


def test_a_lower_version_is_a_rollback() -> None:
    with pytest.raises(RollbackError):
        take(replace(BASE, version=4), SEEN)


def test_an_equal_version_with_other_content_is_an_equivocation() -> None:
    with pytest.raises(EquivocationError):
        take(replace(BASE, expires=BASE.expires + 1), SEEN)


def test_an_expired_release_is_refused_also_at_its_first_sight() -> None:
    with pytest.raises(ExpiredReleaseError):
        take(now=BASE.expires)


@pytest.mark.parametrize(("now", "error"), [(NOW - 10 * 86400, ClockError), (NOW + 400 * 86400, ExpiredReleaseError)])
def test_a_clock_far_off_is_named(now: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="clock"):
        take(now=now)


def test_another_repository_or_channel_is_foreign() -> None:
    with pytest.raises(ForeignRepositoryError):
        take(replace(BASE, repository="repo-two", version=6), SEEN)
    with pytest.raises(ForeignRepositoryError):
        take(replace(BASE, channel="staging", version=6), SEEN)
    with pytest.raises(ForeignRepositoryError):
        take(terms=replace(TERMS, channel="staging"))


def test_the_administrator_may_change_the_channel() -> None:
    assert (
        take(replace(BASE, channel="staging", version=6), SEEN, terms=replace(TERMS, channel="staging")).seen.channel
        == "staging"
    )


def test_the_signature_is_judged_before_the_text_is_parsed() -> None:
    with pytest.raises(UnsignedError):
        accept(TERMS, None, b"garbage", (), NOW)
    with pytest.raises(MalformedReleaseError):
        accept(TERMS, None, b"garbage", by(K1), NOW)


def test_a_repository_that_had_a_release_is_never_accepted_without() -> None:
    optional = replace(TERMS, required=False)
    without_release(optional, None)
    for terms, seen in ((optional, SEEN), (TERMS, None), (optional, forgotten(TERMS.pins))):
        with pytest.raises(MissingReleaseError):
            without_release(terms, seen)


def test_keys_rotate_by_a_release_signed_with_a_trusted_key() -> None:
    announced = take(replace(BASE, version=6, keys_next=(K1, K2)), SEEN).seen
    moved = take(replace(BASE, version=7, keys_next=(K2,)), announced, key=K2).seen
    assert trusted_keys(TERMS.pins, moved) == {K2}
    with pytest.raises(UntrustedKeyError):
        take(replace(BASE, version=8), moved, key=K1)
    assert take(replace(BASE, version=8), moved, key=K2).seen.version == 8


def test_a_key_cannot_bring_itself_in() -> None:
    with pytest.raises(UntrustedKeyError):
        take(replace(BASE, version=6, keys_next=(K3,)), SEEN, key=K3)


def test_the_version_is_still_remembered_after_the_signer_rotated_out() -> None:
    moved = take(replace(BASE, version=7, keys_next=(K2,)), SEEN).seen
    with pytest.raises(RollbackError):
        take(replace(BASE, version=6), moved, key=K2)


def test_changes_to_the_pins_win_over_rotation() -> None:
    announced = take(replace(BASE, version=6, keys_next=(K1, K2)), SEEN).seen
    assert trusted_keys(frozenset({K1, K3}), announced) == {K1, K2, K3}
    assert trusted_keys(frozenset({K3}), announced) == {K2, K3}


def test_a_key_pinned_since_the_last_release_is_not_lost_when_that_is_read_again() -> None:
    announced = take(replace(BASE, version=6, keys_next=(K1,)), SEEN).seen
    both = Terms("lab", frozenset({K1, K3}))
    again = take(replace(BASE, version=6, keys_next=(K1,)), announced, terms=both).seen
    assert trusted_keys(both.pins, again) == {K1, K3}
    following = take(replace(BASE, version=7, keys_next=(K1,)), announced, terms=both).seen
    assert trusted_keys(both.pins, following) == {K1, K3}


def test_a_far_future_version_is_refused_and_there_are_ways_back() -> None:
    far = replace(BASE, version=limits.MAX_RELEASE_VERSION)
    with pytest.raises(FarFutureVersionError):
        take(far, SEEN)
    poisoned = take(far).seen
    with pytest.raises(RollbackError):
        take(replace(BASE, version=6), poisoned)
    rotated = Terms("lab", frozenset({K2}))
    assert take(replace(BASE, version=6), poisoned, terms=rotated, key=K2).seen.version == 6
    assert take(replace(BASE, version=6), forgotten(TERMS.pins)).seen.version == 6


def test_taking_a_stolen_subkey_out_of_the_pins_is_a_way_back_too() -> None:
    by_subkey = (Signature(Verdict.GOOD, K2[-16:], K2, K1, NOW - 60, 10, "00"),)
    pinned = Terms("lab", frozenset({K2}))
    far = release_text.emit(replace(BASE, version=limits.MAX_RELEASE_VERSION))
    poisoned = accept(pinned, None, far, by_subkey, NOW).seen
    assert poisoned.signer == K2
    assert take(replace(BASE, version=6), poisoned, terms=Terms("lab", frozenset({K3})), key=K3).seen.version == 6


def test_an_index_of_another_release_is_a_mismatch() -> None:
    accepted = take()
    accepted.check("Packages", 10, "a" * 128, "b" * 128, "lab")
    for form, size, blake2b in (("Packages", 11, "a"), ("Packages", 10, "c"), ("Packages.gz", 10, "a")):
        with pytest.raises(IndexMismatchError):
            accepted.check(form, size, blake2b * 128, "b" * 128, "lab")


@given(st.lists(st.integers(1, 9), max_size=12))
def test_versions_never_go_back_whatever_is_offered(offered: list[int]) -> None:
    seen: Seen | None = None
    for version in offered:
        before = seen.version if seen else 0
        try:
            seen = take(replace(BASE, version=version), seen).seen
        except RollbackError:
            assert version < before
        assert (seen.version if seen else 0) >= before

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
    ThresholdError,
    TrustError,
    UnsignedError,
    UntrustedKeyError,
)
from portage_ext.model.release import IndexFile, Release
from portage_ext.model.root import Root
from portage_ext.trust import release as release_text
from portage_ext.trust.machine import (
    Accepted,
    Seen,
    Terms,
    accept,
    counts,
    delegated,
    forgotten,
    trusted_keys,
    without_release,
)
from portage_ext.trust.openpgp import Signature, Verdict

K1, K2, K3, K4 = (letter * 40 for letter in "ABCD")
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
    # What the key taken out had announced goes with it.
    assert trusted_keys(frozenset({K3}), announced) == {K3}
    assert trusted_keys(frozenset({K2}), announced) == {K2}


def test_a_rotated_key_goes_with_any_key_of_its_chain() -> None:
    pins = frozenset({K1, K4})
    terms = Terms("lab", pins)
    first = take(replace(BASE, version=6, keys_next=(K1, K2, K4)), terms=terms).seen
    second = take(replace(BASE, version=7, keys_next=(K3, K4)), first, terms=terms, key=K2).seen
    assert trusted_keys(pins, second) == {K3, K4}
    assert second.announced == {(K2, K1), (K3, K2)}
    assert trusted_keys(frozenset({K4}), second) == {K4}
    assert not counts(frozenset({K4}), second)
    assert counts(pins, second)
    # A rotated key that was stolen can be taken out by itself.
    without = replace(second, removed=frozenset({K2}))
    assert trusted_keys(pins, without) == {K4}
    assert not counts(pins, without)


def test_a_rotated_key_that_a_trusted_key_announced_too_stays() -> None:
    pins = frozenset({K1, K4})
    terms = Terms("lab", pins)
    first = take(replace(BASE, version=6, keys_next=(K1, K2, K4)), terms=terms).seen
    both = take(replace(BASE, version=7, keys_next=(K1, K2, K4)), first, terms=terms, key=K4).seen
    assert both.announced == {(K2, K1), (K2, K4)}
    assert trusted_keys(frozenset({K4}), both) == {K2, K4}
    # Also when the same Release is looked at again, and another signature of it is by a key that is still trusted.
    left = Terms("lab", frozenset({K4}))
    again = take(replace(BASE, version=6, keys_next=(K1, K2, K4)), first, terms=left, key=K4).seen
    assert trusted_keys(left.pins, again) == {K2, K4}


def test_no_release_brings_a_key_back_that_was_taken_out() -> None:
    both, left = frozenset({K1, K3}), Terms("lab", frozenset({K3}))
    first = take(replace(BASE, version=6, keys_next=(K1, K3)), terms=Terms("lab", both)).seen
    after = take(replace(BASE, version=7, keys_next=(K1, K3)), first, terms=left, key=K3).seen
    assert trusted_keys(left.pins, after) == {K3}
    later = take(replace(BASE, version=8, keys_next=(K1, K3)), after, terms=left, key=K3).seen
    assert trusted_keys(left.pins, later) == {K3}
    assert forgotten(left.pins, later).removed == {K1}
    assert trusted_keys(both, later) == {K1, K3}


def test_a_version_published_with_a_key_that_a_stolen_one_announced_binds_no_more() -> None:
    first = take(replace(BASE, version=6, keys_next=(K1, K2)), SEEN).seen
    poisoned = take(replace(BASE, version=limits.MAX_VERSION_JUMP, keys_next=(K2,)), first, key=K2).seen
    rotated = Terms("lab", frozenset({K3}))
    assert take(replace(BASE, version=7), poisoned, terms=rotated, key=K3).seen.version == 7
    with pytest.raises(UntrustedKeyError):
        take(replace(BASE, version=limits.MAX_VERSION_JUMP + 1), poisoned, terms=rotated, key=K2)


def test_what_is_remembered_of_rotations_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ANNOUNCED", 4)
    seen = take(replace(BASE, version=6, keys_next=(K1, *(f"{number:040X}" for number in range(4))))).seen
    # Keys that are retired make room first.
    following = take(replace(BASE, version=7, keys_next=(K1, K2)), seen).seen
    assert following.announced == {(K2, K1)}
    with pytest.raises(MalformedReleaseError):
        take(replace(BASE, version=8, keys_next=(K1, *(f"{number:040X}" for number in range(5)))), following)


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


def test_what_is_remembered_of_a_subkeys_signature_is_its_primary_key() -> None:
    by_subkey = (Signature(Verdict.GOOD, K2[-16:], K2, K1, NOW - 60, 10, "00"),)
    assert accept(TERMS, None, release_text.emit(BASE), by_subkey, NOW).seen == SEEN
    with pytest.raises(UntrustedKeyError):
        accept(Terms("lab", frozenset({K2})), None, release_text.emit(BASE), by_subkey, NOW)


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


KEYS = (K1, K2, K3, K4)
turns = st.lists(
    st.tuples(st.sampled_from(KEYS), st.frozensets(st.sampled_from(KEYS), max_size=3), st.frozensets(st.sampled_from(KEYS))),
    max_size=8,
)


@given(turns)
def test_every_trusted_key_is_pinned_or_has_a_chain_that_no_removal_cut(
    offered: list[tuple[str, frozenset[str], frozenset[str]]],
) -> None:
    """Releases by any key announce any keys, and the pins change in between: against a model that knows every chain."""
    seen: Seen | None = None
    chains: set[tuple[str, ...]] = set()
    last, removed = frozenset[str](), frozenset[str]()
    for number, (signer, named, pins) in enumerate(offered, 1):
        gone = (removed | (last - pins)) - pins
        alive = {chain for chain in chains if chain[0] in pins and not gone.intersection(chain)}
        assert trusted_keys(pins, seen) <= pins | {chain[-1] for chain in alive}
        release = replace(BASE, version=number, keys_next=tuple(sorted(named)))
        try:
            seen = take(release, seen, terms=Terms("lab", pins), key=signer).seen
        except TrustError:
            continue
        ways = {(signer,)} if signer in pins else {chain for chain in alive if chain[-1] == signer}
        chains = alive | {(*way, key) for way in ways for key in named - gone if key not in way}
        last, removed = pins, gone


# --- with a root


ROOT = Root("repo-one", 1, NOW - 60, NOW + 86400, 1, 1, (K3,), 1, (K1, K2))
ROOTED = delegated(Terms("lab", frozenset(), required=False), ROOT)


def under(**changes: object) -> Terms:
    return delegated(Terms("lab", frozenset()), replace(ROOT, **changes))  # type: ignore[arg-type]


def test_beside_a_root_its_release_keys_count_and_no_rotation() -> None:
    announced = take(replace(BASE, keys_next=(K3,)), terms=ROOTED).seen
    with pytest.raises(UntrustedKeyError):
        take(replace(BASE, version=6), announced, terms=ROOTED, key=K3)
    assert take(replace(BASE, version=6), announced, terms=ROOTED, key=K2).seen.signer == K2
    with pytest.raises(MissingReleaseError):
        without_release(ROOTED, None)


def test_a_rotation_that_was_seen_before_the_root_counts_no_more() -> None:
    rotated = take(replace(BASE, version=6, keys_next=(K1, K3)), SEEN).seen
    with pytest.raises(UntrustedKeyError):
        take(replace(BASE, version=7), rotated, terms=ROOTED, key=K3)


def test_beside_a_root_its_repository_and_its_least_release_count() -> None:
    with pytest.raises(ForeignRepositoryError):
        take(replace(BASE, repository="repo-two"), terms=ROOTED)
    with pytest.raises(RollbackError):
        take(terms=under(least_release=6))
    assert take(replace(BASE, version=6), terms=under(least_release=6)).seen.version == 6


def test_as_many_release_keys_must_sign_as_the_root_says() -> None:
    two = under(release_threshold=2)
    with pytest.raises(ThresholdError):
        take(terms=two)
    data = release_text.emit(BASE)
    with pytest.raises(ThresholdError):
        accept(two, None, data, by(K1) + by(K1), NOW)
    seen = accept(two, None, data, by(K1) + by(K2), NOW).seen
    assert {seen.signer, *seen.cosigners} == {K1, K2}


def test_what_was_seen_binds_until_the_root_names_none_of_those_who_signed_it() -> None:
    far = replace(BASE, version=limits.MAX_VERSION_JUMP)
    by_one = take(far, terms=ROOTED).seen
    by_both = accept(under(release_threshold=2), None, release_text.emit(far), by(K1) + by(K2), NOW).seen
    second_only = under(release_keys=(K2,))
    assert take(replace(BASE, version=6), by_one, terms=second_only, key=K2).seen.version == 6
    with pytest.raises(RollbackError):
        take(replace(BASE, version=6), by_both, terms=second_only, key=K2)


def test_from_a_pin_to_a_root_and_back_what_was_seen_goes_on_to_bind() -> None:
    newer = take(replace(BASE, version=7), SEEN).seen
    with pytest.raises(RollbackError):
        take(replace(BASE, version=6), newer, terms=ROOTED, key=K2)
    moved = take(replace(BASE, version=8), newer, terms=ROOTED, key=K2).seen
    pinned = Terms("lab", frozenset({K2}))
    with pytest.raises(RollbackError):
        take(replace(BASE, version=7), moved, terms=pinned, key=K2)
    with pytest.raises(UntrustedKeyError):
        take(replace(BASE, version=9), moved, terms=pinned, key=K1)
    assert take(replace(BASE, version=9), moved, terms=pinned, key=K2).seen.version == 9


@pytest.mark.parametrize("order", [(K1, K2), (K2, K1)])
def test_what_two_pinned_keys_have_signed_binds_until_both_are_taken_out(order: tuple[str, str]) -> None:
    terms = Terms("lab", frozenset({K1, K2}))
    seen = accept(terms, None, release_text.emit(BASE), [one for key in order for one in by(key)], NOW).seen
    for left in (K1, K2):
        with pytest.raises(RollbackError):
            take(replace(BASE, version=4), seen, terms=Terms("lab", frozenset({left})), key=left)
    assert not counts(frozenset({K3}), seen)


def test_a_signature_that_was_seen_counts_although_a_mirror_leaves_it_out_later() -> None:
    terms = Terms("lab", frozenset({K1, K2}))
    both = accept(terms, None, release_text.emit(BASE), [*by(K1), *by(K2)], NOW).seen
    again = take(seen=both, terms=terms, key=K1).seen
    assert counts(frozenset({K2}), again)
    assert not counts(frozenset({K2}), take(replace(BASE, version=6), again, terms=terms, key=K1).seen)

"""The next Release follows from the one before, and what is made can be read and believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portage_ext import limits
from portage_ext.errors.trust import MalformedReleaseError
from portage_ext.trust import release as text
from portage_ext.trust.next_release import index_files, needs_renewal, next_release

NOW = 1_795_000_000
FORMS = {"Packages.zst": b"z", "Packages": b"plain", "Packages.gz": b"g"}


def test_the_first_release_gets_an_id_and_version_one() -> None:
    first = next_release(None, index_files(FORMS), now=NOW, validity=100, channel="production")
    assert (first.version, first.created, first.expires) == (1, NOW, NOW + 100)
    assert [one.name for one in first.files] == ["Packages", "Packages.zst", "Packages.gz"]
    assert text.parse(text.emit(first)) == first
    other = next_release(None, index_files(FORMS), now=NOW, validity=100, channel="production")
    assert other.repository != first.repository


def test_the_next_one_keeps_what_was_announced() -> None:
    first = replace(next_release(None, index_files(FORMS), now=NOW, validity=100, channel="production"), keys_next=("A" * 40,))
    second = next_release(first, first.files, now=NOW + 1, validity=100, channel="production")
    assert (second.version, second.repository, second.keys_next) == (2, first.repository, ("A" * 40,))
    third = next_release(second, first.files, now=NOW + 2, validity=100, channel="x", keys_next=("B" * 40,), at_least=50)
    assert (third.version, third.channel, third.keys_next) == (50, "x", ("B" * 40,))


def test_a_clock_that_went_back_and_a_version_without_successor_are_refused() -> None:
    first = next_release(None, index_files(FORMS), now=NOW, validity=100, channel="production")
    with pytest.raises(MalformedReleaseError, match="clock"):
        next_release(first, first.files, now=NOW - 2 * limits.CLOCK_SKEW, validity=100, channel="production")
    last = replace(first, version=limits.MAX_RELEASE_VERSION)
    with pytest.raises(MalformedReleaseError, match="out of range"):
        next_release(last, first.files, now=NOW, validity=100, channel="production")


def test_renewal_is_due_when_half_of_the_validity_is_over() -> None:
    first = next_release(None, index_files(FORMS), now=NOW, validity=100, channel="production")
    assert not needs_renewal(first, NOW + 50)
    assert needs_renewal(first, NOW + 51)

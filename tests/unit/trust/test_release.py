"""The text of a Release: what is written can be read, and nothing else can."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext import limits
from portage_ext.errors.trust import MalformedReleaseError
from portage_ext.model.release import IndexFile, Release
from portage_ext.trust.release import emit, parse

FPR = "0123456789ABCDEF0123456789ABCDEF01234567"
RELEASE = Release(
    repository="6f1c2d3e",
    channel="production",
    version=42,
    created=1_700_000_000,
    expires=1_700_000_000 + 30 * 86400,
    keys_next=(FPR,),
    files=(IndexFile("Packages", 10, "a" * 128, "b" * 128), IndexFile("Packages.gz", 5, "c" * 128, "d" * 128)),
)

digests = st.text("0123456789abcdef", min_size=128, max_size=128)
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
releases = st.builds(
    lambda repository, channel, version, created, validity, keys, sizes, digest: Release(
        repository,
        channel,
        version,
        created,
        created + validity,
        tuple(keys),
        tuple(IndexFile(name, size, digest, digest) for name, size in zip(("Packages", "Packages.zst"), sizes, strict=True)),
    ),
    names,
    names,
    st.integers(1, limits.MAX_RELEASE_VERSION),
    st.integers(0, 2**32),
    st.integers(1, limits.MAX_RELEASE_VALIDITY),
    st.lists(st.from_regex(r"[0-9A-F]{40}", fullmatch=True), max_size=4),
    st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)),
    digests,
)


@given(releases)
def test_what_is_emitted_is_read_back(release: Release) -> None:
    assert parse(emit(release)) == release


@given(st.binary(max_size=400))
def test_foreign_bytes_are_refused_by_name_and_nothing_else_escapes(data: bytes) -> None:
    with pytest.raises(MalformedReleaseError):
        parse(data)


@given(st.integers(0, len(emit(RELEASE)) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_the_value(position: int, flip: int) -> None:
    data = bytearray(emit(RELEASE))
    data[position] ^= flip
    try:
        read = parse(bytes(data))
    except MalformedReleaseError:
        return
    assert read != RELEASE
    assert emit(read) == bytes(data)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"\n$", ""),
        (r"\n$", "\n\n"),
        (r"\n$", "\nIndex: Packages 1 BLAKE2B x SHA512 y\n"),
        ("Version: 42", "Version: 042"),
        ("Version: 42", "Version: 0"),
        ("Version: 42", "Version: +42"),
        ("Version: 42", "Version: 99999999999999999999"),
        ("Version: 42", "Version:  42"),
        ("Version: 42\n", "Version: 42\r\n"),
        ("Version: 42\n", "Version: 42\nVersion: 43\n"),
        ("Version: 42\n", "Version: 42\nUnknown: 1\n"),
        ("Channel: production\n", ""),
        ("Channel: production", "Channel: ../production"),
        ("Created: .*", "Created: 2023-02-30T00:00:00Z"),
        ("Expires: .*", "Expires: 2099-01-01T00:00:00Z"),
        ("Expires: .*", "Expires: 2001-01-01T00:00:00Z"),
        ("Keys-Next: .*", "Keys-Next: 0123"),
        ("Keys-Next: .*", "Keys-Next: " + " ".join([FPR] * 17)),
        ("Index: Packages 10", "Index: ../Packages 10"),
        ("Index: Packages 10", "Index: Packages -10"),
        ("Index: Packages.gz", "Index: Packages"),
        ("Index: Packages 10", "Index: Packages.zst 10"),
        ("Format: .*", "Format: portage-ext-release-2"),
    ],
)
def test_another_form_of_the_same_is_refused(old: str, new: str) -> None:
    data = re.sub(old, new, emit(RELEASE).decode(), count=1).encode()
    assert data != emit(RELEASE)
    with pytest.raises(MalformedReleaseError):
        parse(data)


def test_an_endless_release_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(MalformedReleaseError, match="larger than"):
        parse(b"A" * (limits.MAX_RELEASE_SIZE + 1))

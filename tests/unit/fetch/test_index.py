"""What a binrepo's index rests on between two runs, without network and gpg."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.config.settings import Settings
from portage_ext.errors.trust import AllMirrorsFailedError, MirrorError
from portage_ext.fetch import index
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.mirrors import Transports
from portage_ext.model.release import IndexFile, Release
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.known_index import mark_bound
from portage_ext.trust.machine import Accepted, Seen
from portage_ext.trust.memory import Memory, StateDirectory

NOW = 1_795_000_000
A, B = "A" * 40, "B" * 40
PINS = frozenset({A, B})
KEPT, NEW = "1" * 128, "2" * 128


def seen(version: int, signer: str, *cosigners: str) -> Seen:
    return Seen("repo", "production", version, NOW - 60, "0" * 128, signer, PINS, PINS, cosigners=frozenset(cosigners))


def accepted(by: Seen, blake2b: str) -> Accepted:
    plain = IndexFile("Packages", 1, blake2b, "0" * 128)
    return Accepted(Release("repo", "production", by.version, NOW - 60, NOW + 500, (), (plain,)), by)


@pytest.fixture
def binrepo(tmp_path: Path) -> Binrepo:
    """A binrepo with two pinned keys, whose Release 2 by A was seen with its index."""
    TrustDirectory(tmp_path).write("lab", PINS, b"")
    state = StateDirectory(tmp_path, "lab")
    state.save(Memory(seen(2, A), NOW + 900, NOW - 60, KEPT))
    state.index_file.write_bytes(mark_bound(b"TIMESTAMP: 1\n\n", 2))
    return Binrepo(
        name="lab",
        base="http://127.0.0.1:9",
        settings=replace(Settings(), fetch=replace(Settings().fetch, retries=0)),
        config_root=tmp_path,
        state=state,
        transports=Transports(),
        warn=lambda line: None,
        progress=lambda count: None,
    )


def look(binrepo: Binrepo, monkeypatch: pytest.MonkeyPatch, found: Accepted) -> None:
    """See a Release of which the index does not come."""
    monkeypatch.setattr(index, "_release", lambda *_: found)
    index.refresh(binrepo, NOW)


def again(binrepo: Binrepo, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The index while no mirror is reached."""

    def unreached(*_: object) -> None:
        raise MirrorError("lab", "no connection")

    monkeypatch.setattr(index, "_release", unreached)
    return index.obtain(binrepo, NOW).text


@pytest.mark.parametrize(
    "after", [seen(3, B), seen(3, B, A), seen(3, A, B)], ids=["another", "both", "both, the old one first"]
)
def test_the_index_of_a_key_that_is_taken_out_is_not_used_because_another_key_signed_what_came_later(
    binrepo: Binrepo, monkeypatch: pytest.MonkeyPatch, after: Seen
) -> None:
    look(binrepo, monkeypatch, accepted(after, NEW))
    binrepo.trust.write("lab", {B}, b"")
    with pytest.raises(AllMirrorsFailedError):
        again(binrepo, monkeypatch)


def test_the_index_seen_last_is_used_after_a_later_release_by_the_same_key(
    binrepo: Binrepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(binrepo, monkeypatch, accepted(seen(3, A), NEW))
    assert again(binrepo, monkeypatch) == b"TIMESTAMP: 1\n\n"


def test_an_index_that_another_key_signed_again_is_as_good_as_before(binrepo: Binrepo, monkeypatch: pytest.MonkeyPatch) -> None:
    look(binrepo, monkeypatch, accepted(seen(3, B), KEPT))
    binrepo.trust.write("lab", {B}, b"")
    assert again(binrepo, monkeypatch) == b"TIMESTAMP: 1\n\n"

"""Following roots in one process, by real gpg and HTTP: what is kept, what is asked for again, and where it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.config.settings import FetchSettings, Settings
from portage_ext.errors import SettingsError
from portage_ext.errors.trust import GpgError, KeyFileError, MissingRootError, TooManyRootsError, TrustError
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.mirrors import Transports
from portage_ext.fetch.roots import fetch_again, followed
from portage_ext.trust import gpg, kept_root, manage, manage_roots
from portage_ext.trust.keyfiles import gpg_in, keys_in, only
from portage_ext.trust.keyrings import RootPins, TrustDirectory
from portage_ext.trust.machine import Seen
from portage_ext.trust.memory import Memory, StateDirectory
from portage_ext.trust.openpgp import expired_keys, judge
from portage_ext.trust.root import key_name
from tests.system.roots.conftest import Made
from tests.testkit import httpd, keys
from tests.testkit.keys import SigningKey
from tests.testkit.offline import QUICK, Offline


@pytest.fixture
def offline(work: Path, made: Made) -> Iterator[Offline]:
    mine = made.ann.copied(work)
    yield mine
    keys.kill_agents(mine.home)


@pytest.fixture
def said() -> list[str]:
    """What was warned of."""
    return []


@pytest.fixture
def binrepo(work: Path, offline: Offline, released: SigningKey, said: list[str]) -> Iterator[Binrepo]:
    """A binrepo whose first root names one key, pinned and not yet asked for."""
    offline.init("ann", 1, released)
    served = work / "served"
    served.mkdir()
    offline.give(served)
    state = StateDirectory(work / "e", "lab")
    chosen = offline.roots["ann"]
    pins = RootPins(frozenset({chosen}), 1)
    home = work / "c/etc/portage/gnupg"
    manage_roots.add(TrustDirectory(work / "c"), home, state, pins, {chosen: only([offline.public("ann")], chosen, "ann")})
    (work / "c/etc/portage").mkdir(parents=True, exist_ok=True)
    with httpd.serve(served) as server:
        transports = Transports()
        yield Binrepo(
            name="lab",
            base=server.url,
            settings=Settings(fetch=FetchSettings(retries=0), portage_home=home),
            config_root=work / "c",
            state=state,
            transports=transports,
            warn=said.append,
            progress=lambda count: None,
        )
        transports.close()


def follow(binrepo: Binrepo, *, keep: bool = True) -> frozenset[str]:
    """The release keys after following."""
    with followed(binrepo, binrepo.base, int(time.time()), keep=keep) as (_, terms):
        return terms.pins


def in_portage(binrepo: Binrepo) -> set[str]:
    return {key.primary for key in keys_in(gpg_in(binrepo.settings.portage_home))}


def kept(binrepo: Binrepo) -> int:
    found = kept_root.load(binrepo.state)
    return found.believed.root.version if found else 0


def test_roots_without_an_end_are_followed_so_far_in_each_run(
    work: Path, offline: Offline, binrepo: Binrepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(binrepo)
    for _ in range(4):
        offline.next()
    offline.give(work / "served")
    monkeypatch.setattr(limits, "MAX_ROOT_STEPS", 2)
    for version in (3, 5):
        with pytest.raises(TooManyRootsError):
            follow(binrepo)
        assert kept(binrepo) == version
    follow(binrepo)


@pytest.mark.parametrize("keep", [True, False])
def test_a_release_key_that_was_prolonged_is_fetched_again_once_it_has_expired_here(
    work: Path, offline: Offline, binrepo: Binrepo, released: SigningKey, keep: bool
) -> None:
    old = keys.expired_key(work / "old")
    offline.next(released=(released,))
    # The client has seen the key as it was, before it expired.
    offline.forge(replace(offline.last(), version=3, release_keys=(old.fingerprint,)), "ann")
    offline.give(work / "served")
    binrepo.state.make_directory()
    binrepo.state.keyring_file.write_bytes(keys.gpg(old.home, "--export"))
    keys.prolong(old)
    (work / "served/root" / key_name(old.fingerprint)).write_bytes(old.public())
    text = b"a Release"
    signature = keys.gpg(old.home, *keys.QUICK, "--armor", "--digest-algo", "SHA512", "--detach-sign", stdin=text)
    keys.kill_agents(old.home)
    named = frozenset({old.fingerprint})
    with followed(binrepo, binrepo.base, int(time.time()), keep=keep) as (known, _):
        if keep:
            assert expired_keys(gpg.verify_detached(known.keyrings(), signature, text), named) == named
            assert fetch_again(known, binrepo.base, named)
        assert judge(gpg.verify_detached(known.keyrings(), signature, text), named, "lab").primary == old.fingerprint
    if keep:
        assert [(one.primary, one.expired) for one in keys_in(gpg_in(binrepo.settings.portage_home))] == [
            (old.fingerprint, False)
        ]


def test_a_pinned_root_key_that_was_prolonged_is_fetched_again_once_it_has_expired_here(
    work: Path, offline: Offline, binrepo: Binrepo
) -> None:
    old = keys.expired_key(work / "old")
    before = keys.gpg(old.home, "--export")
    keys.prolong(old)
    keys.gpg(offline.home, *QUICK, "--import", stdin=keys.gpg(old.home, *QUICK, "--export-secret-keys"))
    keys.kill_agents(old.home)
    offline.roots["old"] = old.fingerprint
    offline.next(roots="old", signers="ann old")
    binrepo.trust.write("lab", RootPins(frozenset({old.fingerprint}), 1), before)
    offline.give(work / "served")
    follow(binrepo)
    assert kept(binrepo) == 2


def test_a_new_client_does_not_mind_how_many_roots_there_were_before_the_pinned_keys(
    work: Path, offline: Offline, binrepo: Binrepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        offline.next()
    chosen = offline.another("bob")
    offline.next(roots="bob", signers="ann bob")
    offline.next()
    offline.give(work / "served")
    monkeypatch.setattr(limits, "MAX_ROOT_STEPS", 2)
    binrepo.trust.write("lab", RootPins(frozenset({chosen}), 1), only([offline.public("bob")], chosen, "bob"))
    follow(binrepo)
    assert kept(binrepo) == 7


def test_what_was_accepted_is_kept_although_the_next_one_is_refused(work: Path, offline: Offline, binrepo: Binrepo) -> None:
    offline.next()
    offline.give(work / "served")
    (work / "served/root/3").write_bytes(b"garbage")
    (work / "served/root/3.asc").write_bytes((work / "served/root/2.asc").read_bytes())
    with pytest.raises(TrustError):
        follow(binrepo)
    assert kept(binrepo) == 2


def test_a_key_that_no_mirror_has_is_said_and_asked_for_again(
    work: Path, binrepo: Binrepo, released: SigningKey, said: list[str]
) -> None:
    path = work / "served/root" / key_name(released.fingerprint)
    data = path.read_bytes()
    path.unlink()
    follow(binrepo)
    assert released.fingerprint in said[0]
    path.write_bytes(data)
    follow(binrepo)
    assert in_portage(binrepo) == {released.fingerprint}
    assert len(said) == 1


@pytest.mark.parametrize("error", [GpgError("gpg", "the keyring is locked"), OSError("read-only")], ids=["gpg", "system"])
def test_a_root_is_kept_although_portages_keyring_cannot_follow_and_the_next_run_tries_again(
    work: Path,
    offline: Offline,
    binrepo: Binrepo,
    released: SigningKey,
    second: SigningKey,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fails(*_: object) -> None:
        raise error

    follow(binrepo)
    offline.next(released=(second,))
    offline.give(work / "served")
    with monkeypatch.context() as patched:
        patched.setattr(manage, "forget_in_portage", fails)
        assert follow(binrepo) == {second.fingerprint}
    assert kept(binrepo) == 2
    assert released.fingerprint in said[0]
    assert follow(binrepo) == {second.fingerprint}
    assert in_portage(binrepo) == {second.fingerprint}
    assert len(said) == 1


def test_what_gpg_cannot_write_in_portages_keyring_has_a_name(work: Path, binrepo: Binrepo, released: SigningKey) -> None:
    follow(binrepo)
    home = binrepo.settings.portage_home
    (home / "trustdb.gpg").unlink()
    (home / "trustdb.gpg").mkdir()
    with pytest.raises(GpgError):
        manage.forget_in_portage(home, frozenset({released.fingerprint}))


def test_a_key_of_another_in_the_place_of_one_that_is_named(
    work: Path, binrepo: Binrepo, released: SigningKey, second: SigningKey, said: list[str]
) -> None:
    (work / "served/root" / key_name(released.fingerprint)).write_bytes(second.public())
    follow(binrepo)
    assert "[key-file]" in said[0]
    assert not binrepo.state.keyring_file.exists()


def test_a_look_without_keeping_leaves_nothing(work: Path, binrepo: Binrepo, released: SigningKey) -> None:
    with followed(binrepo, binrepo.base, int(time.time()), keep=False) as (known, terms):
        assert terms.pins == {released.fingerprint}
        assert any(path.exists() for path in known.passing)
    assert not any(path.exists() for path in known.passing)
    assert kept_root.load(binrepo.state) is None
    assert not binrepo.settings.portage_home.exists()


def test_a_revoked_key_stays_in_portages_keyring_where_another_binrepo_pins_it(
    work: Path, offline: Offline, binrepo: Binrepo, released: SigningKey, second: SigningKey
) -> None:
    home = binrepo.settings.portage_home
    manage.add(binrepo.trust, home, "other", released.fingerprint, released.public(), "the test")
    follow(binrepo)
    offline.next(released=(second,))
    offline.give(work / "served")
    assert follow(binrepo) == {second.fingerprint}
    assert in_portage(binrepo) == {released.fingerprint, second.fingerprint}
    manage.remove(binrepo.trust, home, StateDirectory(work / "e", "other"), None)
    assert in_portage(binrepo) == {second.fingerprint}


def test_a_key_that_a_root_names_stays_in_portages_keyring_when_another_binrepo_unpins_it(
    work: Path, binrepo: Binrepo, released: SigningKey
) -> None:
    home = binrepo.settings.portage_home
    manage.add(binrepo.trust, home, "other", released.fingerprint, released.public(), "the test")
    follow(binrepo)
    manage.remove(binrepo.trust, home, StateDirectory(work / "e", "other"), None)
    assert in_portage(binrepo) == {released.fingerprint}


def test_other_root_keys_forget_the_root_and_its_keys(
    work: Path, offline: Offline, binrepo: Binrepo, released: SigningKey
) -> None:
    follow(binrepo)
    chosen = offline.another("bob")
    key = only([offline.public("bob")], chosen, "bob")
    home = binrepo.settings.portage_home
    manage_roots.add(binrepo.trust, home, binrepo.state, RootPins(frozenset({chosen}), 1), {chosen: key})
    assert in_portage(binrepo) == set()
    with pytest.raises(TrustError):
        follow(binrepo)
    with pytest.raises(MissingRootError):
        binrepo.terms()
    assert kept_root.believed(binrepo.trust, binrepo.state) is None


def test_root_keys_that_were_taken_out_are_remembered_until_they_are_pinned_again(
    work: Path, offline: Offline, binrepo: Binrepo
) -> None:
    trust, home, state, ann, bob = (
        binrepo.trust, binrepo.settings.portage_home, binrepo.state, offline.roots["ann"], offline.another("bob")
    )  # fmt: skip
    public = {one: only([offline.public(name)], one, name) for name, one in offline.roots.items()}

    def pin(*chosen: str) -> frozenset[str]:
        return manage_roots.add(trust, home, state, RootPins(frozenset(chosen), 1), {one: public[one] for one in chosen})

    def removed() -> frozenset[str]:
        found = trust.root_pins("lab")
        assert found is not None
        return found.removed

    assert pin(ann, bob) == frozenset()
    manage_roots.remove(trust, home, state, ann)
    assert removed() == {ann}
    assert pin(ann) == {ann}
    assert removed() == {bob}
    # One that is not pinned, too: a root that this host has yet to meet may name it.
    assert manage_roots.remove(trust, home, state, "C" * 40).remembered == {"C" * 40}
    assert removed() == {bob, "C" * 40}
    manage_roots.remove(trust, home, state, None)
    assert trust.removed_roots("lab") == {ann, bob, "C" * 40}
    assert trust.binrepos() == []
    assert pin(ann) == {ann}
    assert removed() == {bob, "C" * 40}
    follow(binrepo)
    # As they were when it was kept: nothing has to be done again.
    kept = kept_root.load(state)
    assert kept is not None
    assert kept.believed.pins.removed == {bob, "C" * 40}
    assert kept_root.believed(trust, state) is not None


def test_what_is_remembered_of_root_keys_has_a_bound_and_is_no_guess_where_it_is_damaged(
    binrepo: Binrepo, offline: Offline, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = binrepo.trust.removed_file("lab")
    monkeypatch.setattr(limits, "MAX_REMOVED_ROOT_KEYS", 2)
    with pytest.raises(KeyFileError, match="trust forget lab"):
        binrepo.trust.write_removed("lab", frozenset(letter * 40 for letter in "ABC"))
    for text in (f"{'A' * 40}\n{'B' * 40}\n{'C' * 40}\n", "nonsense\n", "#" * limits.MAX_REMOVED_SIZE + "x"):
        path.write_text(text)
        with pytest.raises(SettingsError):
            follow(binrepo)
    path.write_text(f"# stolen\n{'A' * 40} # and this\n\n")
    assert binrepo.trust.removed_roots("lab") == {"A" * 40}


def test_a_kept_root_that_is_damaged_is_said(binrepo: Binrepo) -> None:
    follow(binrepo)
    path = kept_root.root_file(binrepo.state)
    whole = path.read_bytes()
    for damaged in (b"", whole[:-1], whole.replace(b"Pinned:", b"Other:"), whole + b"x", b"\xff" + whole, b"x" * 100_000):
        path.write_bytes(damaged)
        with pytest.raises(TrustError, match="damaged-state"):
            follow(binrepo)


@pytest.mark.parametrize("damaged", ["keyring", "root"])
def test_what_is_damaged_keeps_nobody_from_unpinning_root_keys(
    offline: Offline, binrepo: Binrepo, released: SigningKey, damaged: str
) -> None:
    follow(binrepo)
    home, state = binrepo.settings.portage_home, binrepo.state
    (state.keyring_file if damaged == "keyring" else kept_root.root_file(state)).write_bytes(b"damaged")
    removed = manage_roots.remove(binrepo.trust, home, state, None)
    assert removed.from_portage == {released.fingerprint}
    assert in_portage(binrepo) == set()
    assert kept_root.load(state) is None


def test_a_kept_root_that_is_damaged_is_forgotten_when_other_root_keys_are_pinned(
    offline: Offline, binrepo: Binrepo, released: SigningKey
) -> None:
    follow(binrepo)
    kept_root.root_file(binrepo.state).write_bytes(b"damaged")
    chosen = offline.another("bob")
    key = only([offline.public("bob")], chosen, "bob")
    home = binrepo.settings.portage_home
    manage_roots.add(binrepo.trust, home, binrepo.state, RootPins(frozenset({chosen}), 1), {chosen: key})
    assert kept_root.load(binrepo.state) is None


def test_pins_of_another_binrepo_that_cannot_be_read_keep_no_key_from_going_but_its_own(
    binrepo: Binrepo, released: SigningKey, second: SigningKey
) -> None:
    home, state = binrepo.settings.portage_home, binrepo.state
    follow(binrepo)
    manage.add(binrepo.trust, home, "other", second.fingerprint, second.public(), "the test")
    binrepo.trust.pins_file("other").write_text("nonsense\n")
    assert manage_roots.remove(binrepo.trust, home, state, None).from_portage == {released.fingerprint}
    assert in_portage(binrepo) == {second.fingerprint}


def test_unpinning_can_be_tried_again_after_portages_keyring_could_not_follow(
    binrepo: Binrepo, released: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, state, key = binrepo.settings.portage_home, StateDirectory(binrepo.state.eroot, "plain"), released.fingerprint
    manage.add(binrepo.trust, home, "plain", key, released.public(), "the test")
    seen = Seen("repo", "production", 7, 1, "d" * 128, key, frozenset({key}), frozenset({key}))
    state.save(Memory(seen))

    def fails(*_: object) -> None:
        raise GpgError("gpg", "the keyring is locked")

    with monkeypatch.context() as patched:
        patched.setattr(manage, "forget_in_portage", fails)
        with pytest.raises(GpgError):
            manage.remove(binrepo.trust, home, state, None)
    assert manage.remove(binrepo.trust, home, state, None).from_portage == {key}
    assert in_portage(binrepo) == set()

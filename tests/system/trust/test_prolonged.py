"""A key that its owner prolonged reaches those who know it as it was: by real gpg and HTTP, as far as Portage's keyring."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.config.settings import FetchSettings, Settings
from portage_ext.errors.trust import ExpiredKeyError, UnknownKeyError
from portage_ext.fetch import index
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.keys import fetch_announced
from portage_ext.fetch.mirrors import Transports
from portage_ext.fetch.reach import release_at
from portage_ext.model.release import PLAIN_FORM
from portage_ext.trust import release as release_text
from portage_ext.trust.keyfiles import gpg_in, key_path, keys_in, ring
from portage_ext.trust.machine import Seen
from portage_ext.trust.memory import Memory, StateDirectory
from portage_ext.trust.next_release import index_files, next_release
from tests.testkit import httpd, keys
from tests.testkit.keys import SigningKey

OTHER = "A" * 40


@pytest.fixture
def work() -> Iterator[Path]:
    """A short path: agent sockets have long names."""
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        yield Path(name)


@pytest.fixture
def key(work: Path) -> Iterator[SigningKey]:
    made = keys.expired_key(work / "key")
    yield made
    keys.kill_agents(made.home)


@pytest.fixture
def said() -> list[str]:
    """What was warned of."""
    return []


@pytest.fixture
def binrepo(work: Path, said: list[str]) -> Iterator[Binrepo]:
    (work / "served/keys").mkdir(parents=True)
    (work / "c/etc/portage").mkdir(parents=True)
    with httpd.serve(work / "served") as server:
        transports = Transports()
        yield Binrepo(
            name="lab",
            base=server.url,
            settings=Settings(fetch=FetchSettings(retries=0), portage_home=work / "c/etc/portage/gnupg"),
            config_root=work / "c",
            state=StateDirectory(work / "e", "lab"),
            transports=transports,
            warn=said.append,
            progress=lambda count: None,
        )
        transports.close()


def pinned(binrepo: Binrepo, key: SigningKey) -> None:
    """The key is pinned, as it was."""
    binrepo.trust.write("lab", {key.fingerprint}, keys.gpg(key.home, "--export", key.fingerprint))


def rotated(binrepo: Binrepo, key: SigningKey) -> None:
    """A Release by a pinned key has announced it, and it has been fetched, as it was."""
    binrepo.trust.write("lab", {OTHER}, b"")
    both = frozenset({OTHER, key.fingerprint})
    announced = frozenset({(key.fingerprint, OTHER)})
    seen = Seen("repo", "production", 1, 1, "0" * 128, OTHER, both, frozenset({OTHER}), announced)
    binrepo.state.save(Memory(seen))
    binrepo.state.keyring_file.write_bytes(keys.gpg(key.home, "--export", key.fingerprint))


def publish(work: Path, key: SigningKey) -> None:
    """A Release signed by the prolonged key, and the key."""
    keys.prolong(key)
    files = index_files({PLAIN_FORM: b""})
    made = next_release(
        None, files, now=int(time.time()), validity=3600, channel="production", at_least=2, repository="repo",
        keys_next=(key.fingerprint,),
    )  # fmt: skip
    data = release_text.emit(made)
    signed = keys.gpg(key.home, *keys.QUICK, "--armor", "--digest-algo", "SHA512", "--detach-sign", stdin=data)
    (work / "served/Release").write_bytes(data)
    (work / "served/Release.asc").write_bytes(signed)
    (work / "served" / key_path(key.fingerprint)).write_bytes(key.public())


@pytest.mark.parametrize("known", [pinned, rotated])
def test_a_key_that_was_prolonged_is_fetched_again_once_it_has_expired_here(
    work: Path, binrepo: Binrepo, key: SigningKey, known: object
) -> None:
    assert callable(known)
    known(binrepo, key)
    publish(work, key)
    found = index.refresh(binrepo, int(time.time()))
    assert found is not None
    assert found.version == 2
    assert [(one.primary, one.expired) for one in keys_in(gpg_in(binrepo.settings.portage_home))] == [(key.fingerprint, False)]
    assert set(ring(binrepo.state.keyring_file)) == {key.fingerprint}
    # From then on nothing is asked for again.
    (work / "served" / key_path(key.fingerprint)).unlink()
    assert index.refresh(binrepo, int(time.time())) is not None


@pytest.mark.parametrize("known", [pinned, rotated])
def test_who_only_looks_sees_the_prolonged_key_and_leaves_nothing(
    work: Path, binrepo: Binrepo, key: SigningKey, known: object
) -> None:
    assert callable(known)
    known(binrepo, key)
    publish(work, key)
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file() and path.is_relative_to(work / "e")}
    found = release_at(binrepo, binrepo.base, int(time.time()))
    assert found is not None
    assert found.version == 2
    assert {path: path.read_bytes() for path in work.rglob("*") if path.is_file() and path.is_relative_to(work / "e")} == before
    assert not binrepo.settings.portage_home.exists()
    # The key that is served is as it is known here: the Release is refused.
    (work / "served" / key_path(key.fingerprint)).unlink()
    with pytest.raises(ExpiredKeyError):
        release_at(binrepo, binrepo.base, int(time.time()))


@pytest.mark.parametrize("served", ["nothing", "as it was", "another"])
def test_what_is_no_prolonged_key_does_not_help(
    work: Path, binrepo: Binrepo, key: SigningKey, said: list[str], served: str
) -> None:
    pinned(binrepo, key)
    before = key.public()
    publish(work, key)
    path = work / "served" / key_path(key.fingerprint)
    path.unlink()
    if served == "as it was":
        path.write_bytes(before)
    elif served == "another":
        other = keys.new_key(work / "other")
        path.write_bytes(other.public())
        keys.kill_agents(other.home)
    with pytest.raises(ExpiredKeyError):
        index.refresh(binrepo, int(time.time()))
    assert not binrepo.state.keyring_file.exists()
    assert len(said) == (served != "nothing")


def test_a_new_subkey_of_a_known_key_is_fetched(work: Path, binrepo: Binrepo) -> None:
    key = keys.new_key(work / "good")
    try:
        pinned(binrepo, key)
        keys.gpg(key.home, *keys.QUICK, "--quick-add-key", key.fingerprint, "ed25519", "sign", "never")
        publish(work, key)
        index.refresh(binrepo, int(time.time()))
    finally:
        keys.kill_agents(key.home)


def test_a_keyring_that_cannot_be_written_is_a_warning(
    work: Path, binrepo: Binrepo, key: SigningKey, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("no space is left")

    publish(work, key)
    binrepo.trust.write("lab", {OTHER}, b"")
    monkeypatch.setattr("portage_ext.files.replace_file", fails)
    assert not fetch_announced(binrepo, binrepo.base, frozenset({key.fingerprint}))
    assert "no space is left" in said[0]


def test_a_release_of_a_stranger_does_not_have_every_key_complained_about(
    work: Path, binrepo: Binrepo, key: SigningKey, said: list[str]
) -> None:
    known = keys.new_key(work / "good")
    keys.kill_agents(known.home)
    pinned(binrepo, known)
    publish(work, key)
    with pytest.raises(UnknownKeyError):
        index.refresh(binrepo, int(time.time()))
    assert said == []

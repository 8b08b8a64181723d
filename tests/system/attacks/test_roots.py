"""Attacks on a binhost with an offline root, through real emerge: a stolen key, and roots that are old or signed by too few."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.releases.in_place import current
from portage_ext.trust import kept_root, manage_roots
from portage_ext.trust import release as release_text
from portage_ext.trust.keyfiles import only
from portage_ext.trust.keyrings import RootPins, TrustDirectory
from portage_ext.trust.memory import StateDirectory
from portage_ext.trust.root import ROOT_DIRECTORY
from tests.system.attacks.lab import REPO, Lab, TrustedBinhost, binrepo, flip
from tests.testkit import environments, hostile, keys
from tests.testkit.hostile import Hostile
from tests.testkit.keys import SigningKey
from tests.testkit.offline import QUICK, Offline
from tests.testkit.roots import Root


@dataclass(frozen=True, slots=True)
class Made:
    """What each test begins with a copy of: the machine with three root keys and the root that ``rooted`` has, the key that the
    binhost signs with after the first, and the binhost's files, signed by it."""

    offline: Offline
    second: SigningKey
    again: Path


@pytest.fixture(scope="session")
def made(trusted: TrustedBinhost) -> Iterator[Made]:
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        place = Path(name)
        place.chmod(0o755)
        second = keys.new_key(place / "second", "Second <second@example.invalid>")
        offline = Offline.create(place / "o", "ann", "bob", "cyd")
        release = current(trusted.pkgdir)
        assert release is not None
        offline.init("ann bob cyd", 2, trusted.key, more=("--repository", release.repository))
        root = signing_host(place, trusted, second)
        shutil.copytree(trusted.pkgdir, root.pkgdir, dirs_exist_ok=True)
        root.run("portage-ext", "sign", "--key", second.fingerprint, "--homedir", str(second.home)).ok()
        for home in (second.home, offline.home):
            keys.kill_agents(home)
        yield Made(offline, second, root.pkgdir)


@pytest.fixture
def offline(work: Path, made: Made) -> Iterator[Offline]:
    """Three root keys, and no root yet."""
    mine = made.offline.copied(work)
    yield mine
    keys.kill_agents(mine.home)


@pytest.fixture
def second(work: Path, made: Made) -> Iterator[SigningKey]:
    """The key that the binhost signs with after the first."""
    shutil.copytree(made.second.home, work / "second")
    yield replace(made.second, home=work / "second")
    keys.kill_agents(work / "second")


def repository(lab: Lab) -> tuple[str, str]:
    return "--repository", lab.release().repository


def pin_roots(lab: Lab, offline: Offline, names: str, threshold: int) -> None:
    """What `portage-ext trust add --root-key` does."""
    chosen = {offline.roots[name]: only([offline.public(name)], offline.roots[name], name) for name in names.split()}
    state = StateDirectory(lab.client.path, REPO)
    home = lab.client.path / "etc/portage/gnupg"
    manage_roots.add(TrustDirectory(lab.client.path), home, state, RootPins(frozenset(chosen), threshold), chosen)


def in_portage(lab: Lab, fingerprint: str) -> bool:
    """Whether Portage's own keyring has the key."""
    listing = keys.gpg(lab.client.path / "etc/portage/gnupg", "--no-autostart", "--with-colons", "--list-keys").decode()
    return fingerprint in listing


@pytest.fixture
def rooted(lab: Lab, offline: Offline, made: Made) -> Lab:
    """A lab whose client has pinned root keys, two of which must sign; it has seen root 1, and a Release by the first key."""
    shutil.copytree(made.offline.directory, offline.directory)
    offline.give(lab.directory)
    pin_roots(lab, offline, "ann bob cyd", 2)
    lab.accepted()
    return lab


def signing_host(work: Path, trusted: TrustedBinhost, key: SigningKey) -> Root:
    """A system whose Portage believes ``key``."""
    root = Root.create(
        work / "host", environments.environment(), [trusted.binhost.repository], BINPKG_GPG_VERIFY_GPG_HOME=str(work / "gnupg")
    )
    keys.trust(work / "gnupg", key)
    return root


@dataclass(frozen=True, slots=True)
class Host:
    """Where the administrator signs with the second key."""

    root: Root
    key: SigningKey
    again: Path

    def sign_again(self, lab: Lab) -> None:
        """The packages, the index and the Release by the second key; the packages were signed by `portage-ext sign` before."""
        shutil.copytree(self.again, lab.directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("Release*"))
        by = ("--key", self.key.fingerprint, "--homedir", str(self.key.home), "--pkgdir", str(lab.directory))
        self.root.run("portage-ext", "release", "sign", *by).ok()


@pytest.fixture
def host(work: Path, trusted: TrustedBinhost, second: SigningKey, made: Made) -> Host:
    return Host(signing_host(work, trusted, second), second, made.again)


def test_a_root_is_pinned_by_the_command_line_and_its_keys_stay_out_of_portages_keyring(lab: Lab, offline: Offline) -> None:
    offline.init("ann bob", 1, lab.key, more=repository(lab))
    offline.give(lab.directory)
    lab.client.run("portage-ext", "trust", "remove", REPO).ok()
    assert not in_portage(lab, lab.key.fingerprint)
    chosen = (offline.roots["ann"], offline.roots["bob"])
    place = f"{lab.url}/{ROOT_DIRECTORY}/keys/"
    lab.client.run("portage-ext", "trust", "add", REPO, "--root-key", *chosen, "--threshold", "1", "--from", place).ok()
    lab.accepted()
    assert in_portage(lab, lab.key.fingerprint)
    assert not any(in_portage(lab, one) for one in chosen)
    told = lab.client.run("portage-ext", "trust", "list", REPO).ok().text
    assert "root 1 until" in told
    assert f"named    {lab.key.fingerprint}" in told


def test_a_stolen_key_is_revoked_by_a_new_root_without_a_visit(
    rooted: Lab, offline: Offline, host: Host, second: SigningKey
) -> None:
    stolen = rooted.key.fingerprint
    assert in_portage(rooted, stolen)
    offline.next(released=(second,))
    offline.give(rooted.directory)
    # The thief has the key and the server, and goes on publishing.
    rooted.publish()
    assert stolen[-16:] in rooted.refused("UnknownKeyError", "app-misc/hello").text
    assert not in_portage(rooted, stolen)
    assert in_portage(rooted, second.fingerprint)
    # The binhost is the administrator's again.
    host.sign_again(rooted)
    rooted.accepted("app-misc/hello")
    # Nor does the key come back by being present.
    rooted.publish()
    keys.gpg(rooted.client.path / "etc/portage/gnupg", "--no-autostart", "--import", stdin=rooted.key.public())
    rooted.refused("UntrustedKeyError", "app-misc/slotted")


@pytest.mark.slow
def test_what_a_stolen_key_made_clients_see_does_not_keep_them_from_coming_back(
    rooted: Lab, offline: Offline, host: Host, second: SigningKey
) -> None:
    honest = rooted.release()
    rooted.write_release(release_text.emit(replace(honest, version=honest.version + limits.MAX_VERSION_JUMP)))
    rooted.accepted("app-misc/hello")
    rooted.write_release(release_text.emit(honest))
    rooted.refused("RollbackError", "app-misc/slotted")
    offline.next("--least-release", str(honest.version + 1), released=(second,))
    offline.give(rooted.directory)
    host.sign_again(rooted)
    assert rooted.release().version == honest.version + 1
    rooted.accepted("app-misc/slotted")


@pytest.mark.slow
def test_an_old_release_by_a_key_that_is_still_good_stays_refused(rooted: Lab, offline: Offline, second: SigningKey) -> None:
    offline.next(released=(rooted.key, second))
    offline.give(rooted.directory)
    rooted.publish(second)
    old = rooted.release()
    rooted.publish()
    rooted.accepted("app-misc/hello")
    offline.next("--least-release", str(old.version + 1), released=(second,))
    offline.give(rooted.directory)
    rooted.write_release(release_text.emit(old), second)
    rooted.refused("RollbackError", "app-misc/slotted")


def test_a_root_that_too_few_have_signed(rooted: Lab, offline: Offline, second: SigningKey) -> None:
    offline.next(released=(second,), signers="cyd")
    offline.give(rooted.directory)
    rooted.publish(second)
    rooted.refused("ThresholdError", "app-misc/hello")
    # What was believed before goes on being believed, as long as nobody shows another root.
    (rooted.directory / "root/2").unlink()
    rooted.publish()
    rooted.accepted("app-misc/hello")


@pytest.mark.slow
def test_a_root_that_was_changed_and_one_without_signatures(rooted: Lab, offline: Offline, second: SigningKey) -> None:
    offline.next(released=(second,))
    offline.give(rooted.directory)
    flip(rooted.directory / "root/2", lambda size: size - 3)
    rooted.refused("BadSignatureError", "app-misc/hello")
    (rooted.directory / "root/2.asc").unlink()
    rooted.refused("UnsignedError", "app-misc/hello")


@pytest.mark.slow
def test_a_client_that_was_away_for_two_rotations_follows(
    rooted: Lab, offline: Offline, host: Host, second: SigningKey
) -> None:
    for name in ("dan", "eve", "fay"):
        offline.another(name)
    offline.next(roots="bob dan eve", signers="ann bob dan")
    offline.next(roots="dan eve fay", released=(second,), signers="dan eve")
    offline.give(rooted.directory)
    host.sign_again(rooted)
    rooted.accepted("app-misc/hello")
    assert not in_portage(rooted, rooted.key.fingerprint)
    kept = kept_root.load(StateDirectory(rooted.client.path, REPO))
    assert kept is not None
    assert kept.believed.root.version == 3


@pytest.mark.slow
def test_one_of_two_rotations_is_missing(rooted: Lab, offline: Offline) -> None:
    for name in ("dan", "eve"):
        offline.another(name)
    offline.next(roots="bob dan eve", signers="ann bob dan")
    offline.next(roots="bob dan eve", signers="bob dan")
    offline.give(rooted.directory)
    for end in ("", ".asc"):
        shutil.copy(rooted.directory / f"root/3{end}", rooted.directory / f"root/2{end}")
    # One of the keys that signed it is known from the root before, and that is not enough.
    rooted.refused("ThresholdError", "app-misc/hello")


@pytest.mark.slow
def test_an_old_root_is_replayed(rooted: Lab, offline: Offline, host: Host, second: SigningKey) -> None:
    offline.next(released=(second,))
    offline.give(rooted.directory)
    host.sign_again(rooted)
    rooted.accepted("app-misc/hello")
    # The thief puts the root that named his key in the place of the next one, or takes the new one away.
    rooted.publish()
    for end in ("", ".asc"):
        shutil.copy(rooted.directory / f"root/1{end}", rooted.directory / f"root/3{end}")
    rooted.refused("RootRollbackError", "app-misc/slotted")
    for version in (2, 3):
        (rooted.directory / f"root/{version}").unlink()
    rooted.refused("UnknownKeyError", "app-misc/slotted")


@pytest.mark.slow
def test_a_delegation_that_expired(rooted: Lab, offline: Offline) -> None:
    now = int(time.time())
    root = replace(offline.last(), version=2, created=now - 7200, expires=now - 3600)
    offline.forge(root, "ann bob")
    offline.give(rooted.directory)
    rooted.refused("ExpiredRootError", "app-misc/hello")
    offline.forge(replace(root, version=3, created=now, expires=now + 3600), "bob cyd")
    offline.give(rooted.directory)
    rooted.accepted("app-misc/hello")


@pytest.mark.slow
def test_a_mirror_that_fails_for_the_next_root_is_not_one_that_has_none(rooted: Lab) -> None:
    with hostile.serve(rooted.directory) as server:
        rooted.client.etc("binrepos.conf/lab.conf", binrepo(rooted.client, REPO, server.url))
        server.answers[f"/{ROOT_DIRECTORY}/2"] = hostile.status(500)
        rooted.publish()
        # As when no mirror answers: the index seen last, and not the Release that is there.
        assert "no mirror can be reached" in rooted.emerge("app-misc/hello").text
        assert "/Release" not in server.requests
        server.answers[f"/{ROOT_DIRECTORY}/2"] = hostile.endless(b"Format: portage-ext-root-1\n")
        assert "[oversized-file]" in rooted.emerge("app-misc/slotted").text
        assert "/Release" not in server.requests


@pytest.mark.slow
def test_the_index_seen_last_is_not_used_once_its_key_was_revoked(rooted: Lab, offline: Offline, second: SigningKey) -> None:
    offline.next(released=(second,))
    offline.give(rooted.directory)
    with hostile.serve(rooted.directory) as server:
        rooted.client.etc("binrepos.conf/lab.conf", binrepo(rooted.client, REPO, server.url))
        server.answers["/Release"] = hostile.status(500)
        outcome = rooted.emerge("app-misc/hello").failed()
    assert "no mirror can be reached" not in outcome.text
    assert "app-misc/hello" not in rooted.client.merged()


@pytest.mark.slow
def test_the_index_of_a_revoked_key_is_not_used_although_a_release_of_the_new_key_came_without_its_own(
    rooted: Lab, server: Hostile, offline: Offline, second: SigningKey
) -> None:
    offline.next(released=(second,))
    offline.give(rooted.directory)
    rooted.write_index(rooted.index().replace("app-misc/hello-1.1", "app-misc/hello-9"))
    rooted.publish(second)
    forms = ("/Packages.zst", "/Packages.gz", "/Packages")
    for path in forms:
        server.answers[path] = hostile.status(404)
    rooted.refused("MissingIndexError", "app-misc/hello")
    for path in ("/Release", *forms):
        server.answers[path] = hostile.status(503)
    assert "is used again" not in rooted.refused("MirrorError", "app-misc/hello").text


@pytest.mark.slow
def test_a_root_of_stolen_root_keys_is_not_believed_for_the_honest_ones_that_it_names(
    rooted: Lab, offline: Offline, host: Host, second: SigningKey
) -> None:
    """The thief has enough root keys, and names in his root those that the administrator will pin after the theft."""
    offline.another("dan")
    offline.knows(second)
    named = tuple(sorted(offline.roots.values()))
    offline.forge(replace(offline.last(), version=2, root_keys=named, release_keys=(second.fingerprint,)), "ann bob")
    offline.give(rooted.directory)
    (rooted.directory / f"root/keys/{second.fingerprint}.asc").write_bytes(second.public())
    host.sign_again(rooted)
    rooted.accepted("app-misc/hello")
    pin_roots(rooted, offline, "cyd dan", 2)
    assert not in_portage(rooted, second.fingerprint)
    rooted.refused("UnknownKeyError", "app-misc/slotted")


@pytest.mark.slow
def test_an_old_root_does_not_lead_to_the_next_one_that_stolen_root_keys_sign(
    lab: Lab, offline: Offline, host: Host, second: SigningKey
) -> None:
    """The honest root names the stolen keys, and those that stay pinned have signed it: they vouch for it, and for no more."""
    offline.another("dan")
    offline.init("ann bob cyd dan", 2, lab.key, more=repository(lab))
    offline.give(lab.directory)
    pin_roots(lab, offline, "ann bob cyd dan", 2)
    lab.accepted()
    for name in ("ann", "bob"):
        told = lab.client.run("portage-ext", "trust", "remove", REPO, "--fingerprint", offline.roots[name]).ok()
        assert "no signature of a removed root key counts" in told.text
    lab.accepted("app-misc/flags")
    offline.knows(second)
    named = tuple(sorted(offline.roots.values()))
    stolen = replace(offline.last(), version=2, root_keys=named, release_keys=(second.fingerprint,))
    offline.forge(stolen, "ann bob")
    offline.give(lab.directory)
    (lab.directory / f"root/keys/{second.fingerprint}.asc").write_bytes(second.public())
    host.sign_again(lab)
    assert offline.roots["ann"] in lab.refused("ThresholdError", "app-misc/hello").text
    assert not in_portage(lab, second.fingerprint)
    # Nor with what a new client sees first.
    kept_root.forget(StateDirectory(lab.client.path, REPO))
    assert "taken out on this host" in lab.refused("ThresholdError", "app-misc/hello").text
    # The next one by the honest keys is followed.
    offline.forge(stolen, "cyd dan")
    offline.give(lab.directory)
    lab.accepted("app-misc/hello")


def test_a_release_that_two_must_sign(lab: Lab, offline: Offline, host: Host, second: SigningKey) -> None:
    offline.init("ann", 1, lab.key, second, more=("--release-threshold", "2", *repository(lab)))
    offline.give(lab.directory)
    pin_roots(lab, offline, "ann", 1)
    lab.publish()
    lab.refused("ThresholdError")
    # Both keys in one home, as an agent may show them.
    keys.gpg(second.home, *QUICK, "--import", stdin=keys.gpg(lab.key.home, *QUICK, "--export-secret-keys"))
    by = ("--key", lab.key.fingerprint, "--homedir", str(second.home), "--pkgdir", str(lab.directory))
    assert "[threshold]" in host.root.run("portage-ext", "release", "sign", *by).failed().text
    host.root.etc("portage-ext.toml", f'[release]\ncosign = ["{second.fingerprint}"]\n')
    host.root.run("portage-ext", "release", "sign", *by).ok()
    lab.accepted()


@pytest.mark.slow
def test_a_root_of_another_binhost_by_the_same_root_keys(rooted: Lab, offline: Offline, second: SigningKey) -> None:
    offline.knows(second)
    offline.forge(replace(offline.last(), version=2, repository="elsewhere", release_keys=(second.fingerprint,)), "ann bob")
    offline.give(rooted.directory)
    (rooted.directory / f"root/keys/{second.fingerprint}.asc").write_bytes(second.public())
    rooted.publish(second)
    rooted.refused("ForeignRepositoryError", "app-misc/hello")


def test_root_keys_are_pinned_and_there_is_no_root(lab: Lab, offline: Offline) -> None:
    pin_roots(lab, offline, "ann", 1)
    lab.refused("MissingRootError")


@pytest.mark.slow
def test_a_new_client_pins_the_root_keys_of_today_and_one_that_pins_those_of_yesterday_follows(
    lab: Lab, offline: Offline
) -> None:
    offline.init("ann", 1, lab.key, more=repository(lab))
    offline.next(roots="bob", signers="ann bob")
    offline.give(lab.directory)
    pin_roots(lab, offline, "bob", 1)
    lab.accepted()
    pin_roots(lab, offline, "cyd", 1)
    lab.refused("UnknownKeyError", "app-misc/hello")
    # Pinning other root keys took these out; without a theft the administrator takes that back.
    assert "count again" in lab.client.run("portage-ext", "trust", "forget", REPO).ok().text
    pin_roots(lab, offline, "ann", 1)
    lab.accepted("app-misc/hello")


@pytest.mark.slow
def test_from_one_pinned_key_to_a_root_and_back(lab: Lab, offline: Offline, host: Host, second: SigningKey) -> None:
    lab.publish()
    lab.accepted("app-misc/flags")
    offline.init("ann", 1, lab.key, second, more=repository(lab))
    offline.give(lab.directory)
    pin_roots(lab, offline, "ann", 1)
    assert in_portage(lab, lab.key.fingerprint)
    # What was seen under the pinned key goes on to bind.
    newest = lab.release()
    lab.write_release(release_text.emit(replace(newest, version=newest.version - 1)))
    lab.refused("RollbackError", "app-misc/hello")
    lab.write_release(release_text.emit(newest))
    host.sign_again(lab)
    lab.accepted("app-misc/hello")
    public = lab.directory.parent / "second.asc"
    public.write_bytes(second.public())
    pinning = ("portage-ext", "trust", "add", REPO, "--fingerprint", second.fingerprint, "--from", str(public))
    lab.client.run(*pinning).failed()
    lab.client.run("portage-ext", "trust", "remove", REPO).ok()
    assert not in_portage(lab, lab.key.fingerprint)
    assert not in_portage(lab, second.fingerprint)
    lab.client.run(*pinning).ok()
    shutil.rmtree(lab.directory / "root")
    lab.accepted("app-misc/slotted")

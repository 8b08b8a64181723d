"""A stranger's key that claims the pinned key, or an announced one, as its subkey. Through real emerge and real gpg.

What such a key is after is Portage's own keyring: trusted there, its packages would merge from any binrepo that only verifies
the packages' own signatures.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from portage_ext.gpkg.sign import sign_package
from portage_ext.trust.signer import GpgSigner
from portage_ext.trust.signer import SigningKey as Signing
from tests.system.attacks.lab import REPO, Lab, binrepo
from tests.system.attacks.test_index import reindexed
from tests.testkit import adoption, httpd, keys
from tests.testkit.adoption import Stranger
from tests.testkit.keys import SigningKey

FLAGS = "app-misc/flags-2.0"


@pytest.fixture
def stranger() -> Stranger:
    return Stranger.new()


@pytest.fixture
def plain(lab: Lab, work: Path, stranger: Stranger) -> Iterator[Lab]:
    """A second binhost, of which the client verifies only the packages' own signatures; flags is signed by the stranger."""
    directory = work / "plain"
    shutil.copytree(lab.directory, directory)
    key = stranger.signing_key(work / "s")
    with httpd.serve(directory) as server:
        made = replace(lab, directory=directory, url=server.url)
        made.withdraw_release()
        signer = GpgSigner(Signing(key.fingerprint, key.fingerprint), key.home)
        sign_package(made.package(FLAGS), signer)
        reindexed(made, FLAGS)
        yield made
    keys.kill_agents(key.home)


def only_portage_decides(lab: Lab, plain: Lab) -> None:
    """Hold the client to: it takes the pinned key's package from the plain binhost, and not the stranger's."""
    shutil.rmtree(lab.client.path / "etc/portage/binrepos.conf")
    lab.client.etc("binrepos.conf/plain.conf", binrepo(lab.client, "plain", plain.url))
    lab.emerge("app-misc/hello").ok()
    outcome = lab.emerge("app-misc/flags")
    assert FLAGS not in lab.client.installed(), outcome
    assert outcome.status != 0, outcome


def adopting(stranger: Stranger, key: SigningKey) -> bytes:
    return stranger.public(adoption.key_body(key))


@pytest.mark.parametrize("beside", ["alone", "before the honest key", "behind the honest key"])
def test_trust_add_does_not_take_it_for_the_key_asked_for(
    lab: Lab, plain: Lab, work: Path, stranger: Stranger, beside: str
) -> None:
    honest = keys.gpg(lab.key.home, "--export", lab.key.fingerprint)
    pieces = {"alone": b"", "before the honest key": honest}.get(beside, b"")
    first = honest if beside == "behind the honest key" else b""
    file = work / "key.gpg"
    file.write_bytes(first + adopting(stranger, lab.key) + pieces)
    portage = lab.client.path / "etc/portage/gnupg"
    before = keys.gpg(portage, "--export")
    add = ("portage-ext", "trust", "add", "again", "--fingerprint", lab.key.fingerprint, "--from", str(file))
    outcome = lab.client.run(*add).failed()
    assert "[adopted-key]" in outcome.text, outcome
    assert stranger.fingerprint in outcome.text, outcome
    assert keys.gpg(portage, "--export") == before
    assert not (lab.client.path / "etc/portage/portage-ext/trust/again.pins").exists()
    only_portage_decides(lab, plain)


@pytest.mark.slow
def test_an_announced_key_is_not_replaced_by_it(lab: Lab, plain: Lab, other_key: SigningKey, stranger: Stranger) -> None:
    served = lab.directory / "keys" / f"{other_key.fingerprint}.asc"
    served.write_bytes(adopting(stranger, other_key))
    lab.publish(keys_next=(lab.key.fingerprint, other_key.fingerprint))
    outcome = lab.accepted("app-misc/hello")
    assert "[adopted-key]" in outcome.text, outcome
    listing = keys.gpg(lab.client.path / "etc/portage/gnupg", "--with-colons", "--list-keys").decode()
    assert stranger.fingerprint not in listing
    # The honest key is followed all the same, once the mirror has it.
    served.write_bytes(other_key.public())
    lab.publish(other_key, keys_next=(other_key.fingerprint,))
    lab.accepted("app-misc/slotted:1")
    shutil.rmtree(lab.client.path / "var/db/pkg/app-misc", ignore_errors=True)
    only_portage_decides(lab, plain)


@pytest.mark.parametrize("ring", ["portage", "another binrepo"])
def test_in_another_keyring_it_neither_signs_nor_hides_the_honest_key(
    lab: Lab, work: Path, stranger: Stranger, ring: str
) -> None:
    data = adopting(stranger, lab.key)
    key = stranger.signing_key(work / "s")
    if ring == "portage":
        portage = lab.client.path / "etc/portage/gnupg"
        (portage / "pubring.kbx").unlink()
        keys.gpg(portage, "--import", stdin=data)
        keys.kill_agents(portage)
    else:
        (lab.client.path / "etc/portage/portage-ext/trust/aaa.gpg").write_bytes(data)
    release = {name: (lab.directory / name).read_bytes() for name in ("Release", "Release.asc")}
    lab.publish(key)
    assert stranger.fingerprint in lab.refused("UntrustedKeyError").text
    for name, content in release.items():
        (lab.directory / name).write_bytes(content)
    outcome = lab.emerge("--pretend", "app-misc/flags").ok()
    assert "index of lab verified" in outcome.text, outcome
    keys.kill_agents(key.home)


def test_where_portage_has_it_already_the_pin_is_refused(lab: Lab, other_key: SigningKey, stranger: Stranger) -> None:
    portage = lab.client.path / "etc/portage/gnupg"
    keys.gpg(portage, "--import", stdin=adopting(stranger, other_key))
    file = lab.client.etc("other.asc", other_key.public().decode())
    for source in (["--from", str(file)], []):
        add = ("portage-ext", "trust", "add", "other", "--fingerprint", other_key.fingerprint, *source)
        outcome = lab.client.run(*add).failed()
        assert "[adopted-key]" in outcome.text, outcome
        assert REPO not in outcome.text
    keys.gpg(portage, "--yes", "--delete-keys", stranger.fingerprint)
    lab.client.run("portage-ext", "trust", "add", "other", "--fingerprint", other_key.fingerprint, "--from", str(file)).ok()


def test_a_file_with_a_key_that_nobody_asked_for(lab: Lab, other_key: SigningKey) -> None:
    file = lab.client.etc("two.asc", (lab.key.public() + other_key.public()).decode())
    add = ("portage-ext", "trust", "add", "two", "--fingerprint", other_key.fingerprint, "--from", str(file))
    outcome = lab.client.run(*add).failed()
    assert "[key-file]" in outcome.text, outcome
    assert lab.key.fingerprint in outcome.text, outcome

"""``why --fetch``: what emerge would stop at when it fetches the binary, and the remedy that makes it take the binary."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from portage_ext.explain.fetched import arrival
from portage_ext.explain.verdict import Offer
from tests.system.attacks.conftest import address, lab, portage, server, trusted
from tests.system.attacks.lab import Lab, TrustedBinhost, flip
from tests.system.publish import site as publishing
from tests.system.publish.conftest import host, web
from tests.system.publish.site import Host
from tests.system.whitelist.whitelisting import FLAGS, HELLO
from tests.system.why.asking import Answer, why
from tests.system.why.conftest import Site
from tests.testkit import binhost as kit
from tests.testkit import httpd, keys, portages
from tests.testkit.binhost import Binhost
from tests.testkit.environments import CHECKOUT
from tests.testkit.httpd import Server
from tests.testkit.keys import SigningKey
from tests.testkit.roots import Root

__all__ = ["address", "host", "lab", "portage", "server", "trusted", "web"]
A = "app-misc/a-1"
NOBODY = 65534


def asked(site: Site, **variables: str) -> Answer:
    """Ask with --fetch, with the index as it is now."""
    site.client.forget_downloads()
    return why(site.client, "--fetch", "app-misc/a", **variables)


def taken(site: Site) -> None:
    """Hold emerge to it: the binary is merged."""
    site.client.forget_downloads()
    site.client.emerge("-1", "app-misc/a").ok()
    assert site.client.merged()[A] == "binary"


def package(site: Site, build: int = 1) -> Path:
    return site.builder.pkgdir / f"app-misc/a/a-1-{build}.gpkg.tar"


def stale_index(site: Site) -> None:
    """A binhost whose index names a build that is there no more, and not the one that took its place."""
    site.have_a()
    index = {path: path.read_bytes() for path in site.builder.pkgdir.glob("Packages*")}
    site.build("app-misc/a")
    package(site).unlink()
    assert package(site, 2).exists()
    for path, data in index.items():
        path.write_bytes(data)


@dataclass(slots=True)
class Keys:
    """A client that asks for signatures of ``ours``, and a key that it does not know."""

    ours: SigningKey
    foreign: SigningKey
    keyring: Path


@pytest.fixture
def signing(work: Path, site: Site) -> Iterator[Keys]:
    ours, foreign = keys.new_key(work / "k"), keys.new_key(work / "f", "Foreign <f@example.invalid>")
    keys.trust(work / "gnupg", ours)
    client = site.client
    client.settings["BINPKG_GPG_VERIFY_GPG_HOME"] = str(work / "gnupg")
    client.write_settings()
    conf = client.path / "etc/portage/binrepos.conf"
    conf.write_text(conf.read_text().replace("verify-signature = false", "verify-signature = true"))
    for key in (ours, foreign):
        keys.trust(work / "there", key)
    site.builder.settings["BINPKG_GPG_VERIFY_GPG_HOME"] = str(work / "there")
    site.builder.write_settings()
    signs(site.builder, ours)
    site.have_a()
    yield Keys(ours, foreign, work / "gnupg")
    for key in (ours, foreign):
        keys.kill_agents(key.home)


def signs(root: Root, key: SigningKey) -> None:
    root.etc("portage-ext.toml", f'[sign]\nkey = "{key.fingerprint}"\nhomedir = "{key.home}"\n')


def test_a_file_that_the_server_does_not_have(site: Site) -> None:
    stale_index(site)
    site.client.emerge("-1", "app-misc/a").failed()
    site.client.forget_downloads()
    assert why(site.client, "app-misc/a").kinds(A) == []
    answer = asked(site)
    assert answer.kinds(A) == ["fetch"]
    reason = answer.reason(A, "fetch")
    assert reason["blocks"]
    assert reason["details"][0] == f"{site.server.url}/app-misc/a/a-1-1.gpkg.tar"
    assert "404" in reason["details"][-1]
    site.both("app-misc/b-1")
    done = site.client.run("portage-ext", "why", "--fetch", "app-misc/a", "app-misc/b")
    assert done.status == 3
    assert f"{A}:0 stops emerge\n" in done.stdout
    assert "2 packages: 0 as binaries, 1 compiled, 1 at which emerge stops\n" in done.stdout
    assert answer.follow(A, binhost=site.builder) == ["portage-ext reindex"]
    assert asked(site).kinds(A) == []
    taken(site)


def test_a_truncated_file_is_to_be_built_anew(site: Site) -> None:
    site.have_a()
    os.truncate(package(site), package(site).stat().st_size // 2)
    answer = asked(site)
    assert answer.kinds(A) == ["fetch"]
    assert "damaged" in answer.reason(A, "fetch")["text"]
    assert "size: " in answer.reason(A, "fetch")["details"][1]
    assert answer.follow(A, binhost=site.builder) == [f"emerge --oneshot --buildpkg ={A}"]
    taken(site)


@pytest.mark.slow
def test_a_package_that_was_changed_without_its_index(site: Site, signing: Keys) -> None:
    site.builder.run("portage-ext", "sign", "--no-index").ok()
    answer = asked(site)
    assert answer.kinds(A) == ["fetch"]
    assert "another package than the index describes" in answer.reason(A, "fetch")["text"]
    assert answer.follow(A, binhost=site.builder) == ["portage-ext reindex"]
    taken(site)


def test_a_server_that_answers_no_more(site: Site) -> None:
    site.have_a()
    conf = site.client.path / "etc/portage/binrepos.conf"
    command = 'sh -c "case ${URI} in *Packages*) exec wget -q -O ${DISTDIR}/${FILE} ${URI};; esac; echo no route; exit 4"'
    conf.write_text(f"{conf.read_text()}fetchcommand = {command}\n")
    reason = asked(site).reason(A, "fetch")
    assert reason["text"] == "cannot be fetched (status 4): no route"
    (remedy,) = reason["remedies"]
    again = site.client.run("sh", "-c", remedy["command"])
    assert (again.status, again.stdout) == (4, "no route\n")


def test_an_unsigned_package_where_signatures_are_asked_for(site: Site, signing: Keys) -> None:
    site.client.emerge("-1", "app-misc/a").failed()
    # What cannot be tried is a line, and the rest is told.
    site.client.forget_downloads()
    done = site.client.run("portage-ext", "why", "--fetch", "--json", "app-misc/a", GPG_VERIFY_USER_DROP="no-such-user")
    (line,) = [line for line in done.stderr.split("\n") if A in line]
    assert line.startswith(f"portage-ext: {A} cannot be tried: KeyError: ")
    assert Answer(site.client, json.loads(done.stdout)).kinds(A) == []
    answer = asked(site)
    assert answer.kinds(A) == ["signature"]
    assert answer.reason(A, "signature")["text"] == "is not signed, and a signature is asked for of [lab]"
    page = (CHECKOUT / "docs/explaining.md").read_text()
    shown = page.partition("$ portage-ext why --fetch app-misc/a\n")[2].partition("```")[0]
    site.client.forget_downloads()
    told = site.client.run("portage-ext", "why", "--fetch", "app-misc/a").stdout
    assert re.sub(r":\d{5}/|\d{4}-\d\d-\d\d", "", shown).split() == re.sub(r":\d{4,5}/|\d{4}-\d\d-\d\d", "", told).split()
    assert answer.follow(A, binhost=site.builder) == ["portage-ext sign"]
    assert asked(site).kinds(A) == []
    taken(site)


def test_a_package_signed_by_a_key_that_is_not_trusted(site: Site, signing: Keys) -> None:
    signs(site.builder, signing.foreign)
    site.builder.run("portage-ext", "sign").ok()
    answer = asked(site)
    assert answer.kinds(A) == ["signature"]
    reason = answer.reason(A, "signature")
    assert reason["text"] == f"signed by {signing.foreign.fingerprint}, which {signing.keyring} does not trust"
    here = [one["command"] for one in reason["remedies"] if one["where"] == "here"]
    assert here[0] == "portage-ext trust list"
    for command in here:
        site.client.run("sh", "-c", command).ok()
    assert asked(site).kinds(A) == ["signature"], "looking trusts nothing"
    signs(site.builder, signing.ours)
    (there,) = [one["command"] for one in reason["remedies"] if one["where"] == "binhost"]
    site.builder.run("sh", "-c", there).ok()
    assert asked(site).kinds(A) == []
    taken(site)


def test_all_well_changes_nothing_and_leaves_nothing(work: Path, site: Site, signing: Keys) -> None:
    site.builder.run("portage-ext", "sign").ok()
    asked(site)

    def files() -> dict[Path, int]:
        places = [site.client.pkgdir, site.client.path / "var/cache/binhost"]
        return {path: path.stat().st_mtime_ns for place in places for path in place.rglob("*") if path.is_file()}

    (temporary := work / "tmp").mkdir()
    before = files()
    answer = why(site.client, "--fetch", "app-misc/a", TMPDIR=str(temporary))
    assert answer.kinds(A) == []
    assert answer.package(A)["taken"] == "binary"
    assert site.server.packages()[-1] == "app-misc/a/a-1-1.gpkg.tar"
    assert files() == before
    assert list(temporary.iterdir()) == []
    taken(site)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_may_ask(work: Path, site: Site, signing: Keys) -> None:
    (temporary := work / "tmp").mkdir()
    temporary.chmod(0o1777)
    done = site.client.run(
        "portage-ext", "why", "--fetch", "--json", "app-misc/a", as_user=NOBODY, TMPDIR=str(temporary), HOME=str(temporary)
    )
    assert Answer(site.client, json.loads(done.stdout)).kinds(A) == ["signature"], done
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_and_a_pinned_binrepo(work: Path, lab: Lab) -> None:
    """Our fetcher fetches by the index that runs of root kept; before the first of them nothing can be said, which is said."""
    (temporary := work / "tmp").mkdir()
    temporary.chmod(0o1777)
    words = ("portage-ext", "why", "--fetch", "--json", "app-misc/flags")
    places = {"TMPDIR": str(temporary), "HOME": str(temporary)}
    done = lab.client.run(*words, as_user=NOBODY, **places)
    assert Answer(lab.client, json.loads(done.stdout)).kinds(FLAGS) == []
    assert f"portage-ext: {FLAGS} can be tried as root only: " in done.stderr
    lab.client.emerge("-p", "app-misc/flags").ok()
    lab.package(FLAGS).unlink()
    done = lab.client.run(*words, as_user=NOBODY, **places)
    assert Answer(lab.client, json.loads(done.stdout)).kinds(FLAGS) == ["fetch"], done
    assert list(temporary.iterdir()) == []


def test_a_download_of_before_that_was_changed(site: Site) -> None:
    site.have_a()
    site.client.emerge("--fetchonly", "-1", "app-misc/a").ok()
    (file,) = (site.client.path / "var/cache/binhost/lab").rglob("*.gpkg.tar")
    stamp = file.stat()
    flip(file)
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    answer = why(site.client, "--fetch", "app-misc/a")
    assert answer.kinds(A) == ["fetch"]
    assert answer.reason(A, "fetch")["remedies"][0]["command"] == f"rm {file}"
    site.client.run("sh", "-c", f"rm {file}").ok()
    assert why(site.client, "--fetch", "app-misc/a").kinds(A) == []
    site.client.emerge("-1", "app-misc/a").ok()
    assert site.client.merged()[A] == "binary"


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (Path.unlink, "the index lists it, the server does not have it"),
        pytest.param(flip, "cannot be fetched", marks=pytest.mark.slow),
    ],
    ids=["gone", "changed"],
)
def test_a_pinned_binrepo_is_tried_by_the_verifying_fetcher(lab: Lab, harm: Callable[[Path], None], text: str) -> None:
    assert why(lab.client, "--fetch", "app-misc/flags").kinds(FLAGS) == []
    kept = lab.package(FLAGS).with_suffix(".kept")
    shutil.copy2(lab.package(FLAGS), kept)
    harm(lab.package(FLAGS))
    answer = why(lab.client, "--fetch", "app-misc/flags")
    assert answer.kinds(FLAGS) == ["fetch"]
    assert text in answer.reason(FLAGS, "fetch")["text"]
    kept.rename(lab.package(FLAGS))
    assert why(lab.client, "--fetch", "app-misc/flags").kinds(FLAGS) == []


@pytest.mark.parametrize("fetcher", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["verifying", "plain"])
def test_a_published_tree_gets_its_file_back(work: Path, host: Host, web: Server, *, fetcher: bool) -> None:
    host.run("publish").ok()
    client = publishing.client(work, host, f"{web.url}/staging", fetcher=fetcher)
    (lost,) = (host.tree / "staging/app-misc/hello").glob("hello-1.1-*.gpkg.tar")
    lost.unlink()
    answer = why(client, "--fetch", "app-misc/hello")
    assert answer.kinds(HELLO) == ["fetch"]
    assert answer.follow(HELLO, binhost=host.root) == ["portage-ext reindex && portage-ext publish"]
    assert host.channel("staging") == 2
    client.forget_downloads()
    assert why(client, "--fetch", "app-misc/hello").kinds(HELLO) == []
    client.emerge("-1", "app-misc/hello").ok()
    assert client.merged()[HELLO] == "binary"


def test_our_own_fetcher_refuses_a_package_of_an_unknown_key(lab: Lab, trusted: TrustedBinhost, binhost: Binhost) -> None:
    shutil.copy2(binhost.pkgdir / lab.package(FLAGS).relative_to(lab.directory), lab.package(FLAGS))
    lab.withdraw_release()
    lab.settings("optional")
    keyring = str(binhost.gnupg)
    lab.client.run("portage-ext", "reindex", "--force", "--pkgdir", str(lab.directory), BINPKG_GPG_VERIFY_GPG_HOME=keyring)
    reason = why(lab.client, "--fetch", "app-misc/flags").reason(FLAGS, "signature")
    assert reason["text"] == "its signature is refused [unknown-key]"
    assert reason["remedies"][0]["command"] == "portage-ext trust list"


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        ("EXPIRED_KEY", "its signature by AB is of a key that has expired"),
        ("REVOKED_KEY", "its signature by AB is of a key that was revoked"),
        ("EXPIRED_SIGNATURE", "its signature by AB has expired"),
        ("BAD", "its signature by AB does not fit the package"),
        ("GOOD", "signed by AB, which /ring does not trust"),
        ("UNCHECKED", "signed by AB, which /ring does not trust"),
    ],
)
def test_words_for_each_verdict_of_gpg(verdict: str, text: str) -> None:
    offer = Offer(A, "app-misc/a", "1", "0", "0", "lab", "1", 0, 0, 0)
    source = arrival.Source(offer, "http://h/a", "wget http://h/a", published=True)
    reason = arrival.not_accepted(source, [arrival.Signer("AB", verdict)], "/ring", "InvalidSignature")
    assert reason.text == text
    signing_again = "portage-ext sign && portage-ext publish" in [one.command for one in reason.remedies]
    assert signing_again == (verdict != "BAD"), "what was changed is built anew, never signed"


@pytest.mark.parametrize("version", portages.several("COMPAT_PORTAGES"))
def test_with_every_supported_portage(work: Path, binhost: Binhost, version: str) -> None:
    shutil.copytree(binhost.pkgdir, work / "served")
    with httpd.serve(work / "served") as server:
        client = kit.client(work / "client", binhost, {"tinybin": server.url}, version=version, features="getbinpkg")
        assert why(client, "--fetch", "app-misc/hello").kinds(HELLO) == []
        other = keys.new_key(work / "f", "Foreign <f@example.invalid>")
        try:
            keys.trust(work / "gnupg", other)
        finally:
            keys.kill_agents(other.home)
        mine = client.settings["BINPKG_GPG_VERIFY_GPG_HOME"]
        reason = why(client, "--fetch", "app-misc/hello", BINPKG_GPG_VERIFY_GPG_HOME=str(work / "gnupg")).reason(
            HELLO, "signature"
        )
        assert reason["text"] == f"signed by {binhost.fingerprint}, which {work}/gnupg does not trust"
        flip(work / "served/app-misc/hello/hello-1.1-1.gpkg.tar")
        reason = why(client, "--fetch", "app-misc/hello", BINPKG_GPG_VERIFY_GPG_HOME=mine).reason(HELLO, "fetch")
        assert reason["text"].startswith("arrives damaged, and not what the index describes (")


ONE = """
import sys
from portage_ext.cli import main
from portage_ext.explain.fetched import trial
trial.TRIAL_PACKAGES = 1
sys.exit(main.main())
"""


def test_what_is_beyond_the_bounds_is_said(site: Site) -> None:
    site.have_a()
    site.both("app-misc/b-1")
    site.build("app-misc/b")
    python = str(site.client.environment.python)
    done = site.client.run(python, "-c", ONE, "why", "--fetch", "app-misc/a", "app-misc/b").ok()
    (line,) = [line for line in done.stderr.split("\n") if "not fetched" in line]
    assert line == "portage-ext: not fetched, beyond 1 package, 8 GiB and 1800 s at a time (1): app-misc/b-1"
    assert len(site.server.packages()) == 1


SCRIPT = """
import json, os, pathlib, sys, tempfile
from portage_ext.explain.fetched import fetchcommand
entry = {"BASE_URI": "http://127.0.0.1:1", "PATH": "a/a.gpkg.tar", "FETCHCOMMAND": sys.argv[1]}
with tempfile.TemporaryDirectory() as name:
    ended = fetchcommand.fetch(dict(os.environ), entry, pathlib.Path(name), size=1024, seconds=float(sys.argv[2]))
print(json.dumps([ended.status, ended.said]))
"""


@pytest.mark.parametrize(
    ("command", "seconds", "expected"),
    [
        ("sleep 120", "0.3", "[null, []]"),
        ("sh -c 'yes > ${DISTDIR}/${FILE}'", "60", "[0, []]"),
        ("sh -c 'printf \"10%%\\r20%%\\n\\033[31mfour\\nthree\\ntwo\\none\\n\"; exit 7'", "60", '[7, ["three", "two", "one"]]'),
        ("no-such-command", "60", '[127, ["no-such-command: No such file or directory"]]'),
    ],
    ids=["endless", "too large", "last words", "no command"],
)
def test_a_fetch_is_bounded(client: Root, command: str, seconds: str, expected: str) -> None:
    done = client.run(str(client.environment.python), "-c", SCRIPT, command, seconds).ok()
    assert done.stdout == f"{expected}\n"

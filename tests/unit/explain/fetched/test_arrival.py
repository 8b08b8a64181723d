"""What fetching on trial showed becomes a reason, and no remedy ever trusts a key or signs what was changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portage_ext.explain import kinds
from portage_ext.explain.fetched import arrival
from portage_ext.explain.fetched.arrival import Signer, Source
from portage_ext.explain.verdict import BINHOST, HERE, Offer, Reason, Remedy

OFFER = Offer("app-misc/a-1", "app-misc/a", "1", "0", "0", "lab", "1", 0, 0, 0)
SOURCE = Source(OFFER, "http://h/a", "wget http://h/a", published=False)


def commands(reason: Reason) -> list[str]:
    return [remedy.command for remedy in reason.remedies]


@pytest.mark.parametrize(
    ("said", "kind", "command"),
    [
        (("x [unsigned]",), "signature", "portage-ext sign"),
        (("x [revoked-key]",), "signature", "portage-ext trust list"),
        (("x [bad-signature]",), "signature", "portage-ext trust list"),
        (("ERROR 404: Not Found",), "fetch", "portage-ext reindex"),
        (("portage-ext fetch: http://h/a does not have the file [not-found]",), "fetch", "portage-ext reindex"),
        (("cp: No such file or directory",), "fetch", "portage-ext reindex"),
        (("ports 1404 and 4040 are closed",), "fetch", "wget http://h/a"),
        ((), "fetch", "wget http://h/a"),
    ],
)
def test_a_fetch_that_failed_is_told_by_what_the_fetcher_said(said: tuple[str, ...], kind: str, command: str) -> None:
    reason = arrival.failed(SOURCE, 1, said)
    assert (reason.kind, commands(reason)[0]) == (kind, command)
    assert reason.kind in kinds.ROWS


def test_who_publishes_releases_publishes_what_was_mended() -> None:
    published = replace(SOURCE, published=True)
    assert commands(arrival.undigested(published)) == ["portage-ext reindex && portage-ext publish"]
    (rebuilt,) = arrival.damaged(published, "x").remedies
    assert rebuilt.command == "emerge --oneshot --buildpkg =app-misc/a-1 && portage-ext sign && portage-ext publish"
    assert rebuilt.where == BINHOST


def test_a_whole_package_is_indexed_and_a_damaged_one_built() -> None:
    assert commands(arrival.differs(SOURCE, "SIZE", 1, 2, whole=True)) == ["portage-ext reindex"]
    assert commands(arrival.differs(SOURCE, "SIZE", 1, 2, whole=False)) == ["emerge --oneshot --buildpkg =app-misc/a-1"]
    assert commands(arrival.lost(SOURCE)) == ["wget http://h/a"]
    assert commands(arrival.unsigned(SOURCE)) == ["portage-ext sign"]


def test_a_download_of_before_is_removed_first() -> None:
    reason = arrival.downloaded(SOURCE, "/tmp/a b", arrival.lost(SOURCE))
    assert reason.remedies[0] == Remedy(HERE, "rm '/tmp/a b'")
    assert "/tmp/a b" in reason.details


@pytest.mark.parametrize("verdict", ["GOOD", "BAD", "EXPIRED_SIGNATURE", "EXPIRED_KEY", "REVOKED_KEY", "UNKNOWN_KEY"])
def test_what_was_changed_is_built_and_what_is_of_another_key_is_looked_at(verdict: str) -> None:
    reason = arrival.not_accepted(SOURCE, [Signer("AB", verdict)], "/a ring", "why")
    signs = any("sign" in command.split() for command in commands(reason))
    assert signs == (verdict != "BAD")
    assert not any(word in " ".join(commands(reason)) for word in ("trust add", "--import", "lsign"))
    assert ("gpg --homedir '/a ring' --list-keys" in commands(reason)) == (verdict != "BAD")
    assert "AB" in reason.text

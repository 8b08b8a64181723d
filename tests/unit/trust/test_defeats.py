"""Each setting that defeats verification is named with the line to change, and a sound host hears nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portage_ext.config.binrepos import command_line
from portage_ext.trust.defeats import BinrepoValues, find

FETCH = command_line("lab").partition(" = ")[2]
RESUME = command_line("lab", resume=True).partition(" = ")[2]
SOUND = BinrepoValues("lab", "https://binhost.example/lab", "/var/cache/binhost/lab", FETCH, RESUME, True)
PKGDIR = "/var/cache/binpkgs"


def test_a_sound_host_hears_nothing() -> None:
    assert find({"getbinpkg"}, PKGDIR, [SOUND], {"lab"}) == []
    assert find({"getbinpkg"}, PKGDIR, [BinrepoValues("gentoo", "https://x.example/g")], set()) == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        (replace(SOUND, location="/var/cache/binpkgs/"), "location"),
        (replace(SOUND, sync_uri="file:///srv/lab"), "sync-uri"),
        (replace(SOUND, sync_uri="/srv/lab"), "sync-uri"),
        (replace(SOUND, verify_signature=False), "verify-signature"),
        (replace(SOUND, fetchcommand=None), "fetchcommand"),
        (replace(SOUND, fetchcommand="wget -O x ${URI}"), "fetchcommand"),
        (replace(SOUND, fetchcommand=FETCH.replace("lab", "other")), "fetchcommand"),
        (replace(SOUND, fetchcommand="portage-ext fetch 'unbalanced"), "fetchcommand"),
        (replace(SOUND, resumecommand=None), "resumecommand"),
    ],
)
def test_a_setting_of_one_binrepo(changed: BinrepoValues, word: str) -> None:
    (defeat,) = find(set(), PKGDIR, [changed], {"lab"})
    assert defeat.binrepo == "lab"
    assert word in defeat.line


def test_binpkg_ignore_signature() -> None:
    (defeat,) = find({"binpkg-ignore-signature"}, PKGDIR, [SOUND], {"lab"})
    assert "-binpkg-ignore-signature" in defeat.line


def test_a_location_shared_with_pkgdir_does_no_harm_when_signatures_are_demanded_of_all() -> None:
    assert find({"binpkg-request-signature"}, PKGDIR, [replace(SOUND, location=PKGDIR)], {"lab"}) == []


def test_portage_binhost_beside_binrepos_conf() -> None:
    beside = BinrepoValues("d41d8cd9", "https://elsewhere.example/", from_binhost_variable=True)
    (defeat,) = find(set(), PKGDIR, [SOUND, beside], {"lab"})
    assert "PORTAGE_BINHOST" in defeat.line
    assert "https://elsewhere.example/" in str(defeat)


def test_two_binrepos_that_share_portages_cache() -> None:
    other = replace(SOUND, name="second", sync_uri="http://binhost.example:8080/lab/", fetchcommand=None, resumecommand=None)
    (defeat,) = find(set(), PKGDIR, [SOUND, other], {"lab"})
    assert "same place" in defeat.what

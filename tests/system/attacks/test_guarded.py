"""A refused index ends emerge clearly, and settings that defeat verification are said at the next emerge."""

from __future__ import annotations

import shutil

import pytest

from portage_ext.trust.keyrings import TrustDirectory
from tests.system.attacks.lab import REPO, Lab, flip


def test_a_refused_index_ends_emerge_without_a_traceback_and_without_compiling(lab: Lab) -> None:
    flip(lab.directory / "Release")
    for arguments in (("--getbinpkg",), ("--getbinpkg", "--pretend"), ("--getbinpkgonly",)):
        outcome = lab.client.emerge("-1", *arguments, "app-misc/flags").failed()
        assert outcome.text.count("[bad-signature]") == 1, outcome
        assert "No verified index from" in outcome.text
        assert "Traceback" not in outcome.text
        assert not lab.client.installed()


@pytest.mark.parametrize(
    ("features", "settings", "word"),
    [
        ("binpkg-ignore-signature", {}, "binpkg-ignore-signature"),
        ("", {"PORTAGE_BINHOST": "http://127.0.0.1:1/"}, "PORTAGE_BINHOST"),
    ],
)
def test_a_setting_of_make_conf(lab: Lab, features: str, settings: dict[str, str], word: str) -> None:
    lab.client.settings.update(settings)
    lab.client.features(features)
    said = lab.client.emerge("-1", "--pretend", "--getbinpkg=n", "app-misc/flags").ok().stderr
    assert "verification is defeated" in said
    assert word in said


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("location = {pkgdir}", "PKGDIR"),
        ("sync-uri = file://{served}", "sync-uri"),
        ("verify-signature = false", "verify-signature"),
        ("fetchcommand = wget -O ${{DISTDIR}}/${{FILE}} ${{URI}}", "fetchcommand"),
    ],
)
def test_a_setting_of_binrepos_conf(lab: Lab, line: str, word: str) -> None:
    text = line.format(pkgdir=lab.client.pkgdir, served=lab.directory)
    lab.client.etc("binrepos.conf/zzz.conf", f"[{REPO}]\n{text}\n")
    said = lab.client.emerge("-1", "--pretend", "--getbinpkg=n", "app-misc/flags").ok().stderr
    assert f"verification is defeated: [{REPO}]" in said
    assert word in said


def test_a_sound_host_and_one_without_pins_hear_nothing(lab: Lab) -> None:
    assert "defeated" not in lab.client.emerge("-1", "--pretend", "app-misc/flags").text
    lab.client.features("binpkg-ignore-signature")
    shutil.rmtree(TrustDirectory(lab.client.path).directory)
    assert "defeated" not in lab.client.emerge("-1", "--pretend", "--getbinpkg=n", "app-misc/flags").text

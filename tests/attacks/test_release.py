"""Attacks on the Release: who may publish, and that time runs one way. Each through real emerge."""

from __future__ import annotations

from tests.attacks.lab import Lab


def test_an_honest_release_is_installed(lab: Lab) -> None:
    lab.accepted("app-misc/flags", "app-misc/hello")
    assert (lab.client.path / "usr/bin/hello").exists()

"""The register of builders: secrets for root alone, and a builder that fails twice in a row is set aside and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.errors.swarm import SwarmError
from portage_ext.swarm.register import Known, Register


@pytest.fixture
def register(tmp_path: Path) -> Register:
    made = Register(tmp_path / "swarm")
    made.directory.mkdir()
    for name in ("key.pem", "cert.pem"):
        (made.directory / name).write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return made


def test_each_builder_has_a_secret_of_its_own(register: Register) -> None:
    first, second = register.add("b1", "home"), register.add("b2")
    assert first.secret != second.secret
    assert register.read() == {"b1": Known(first.secret, "home"), "b2": Known(second.secret)}
    assert register.path.stat().st_mode & 0o777 == 0o600
    again = register.add("b1")
    assert register.read()["b1"].secret == again.secret != first.secret
    register.remove("b1")
    assert list(register.read()) == ["b2"]


def test_two_failures_in_a_row_set_a_builder_aside(register: Register) -> None:
    register.add("b1")
    assert register.count("b1", failed=True) == ""
    assert register.count("b1", failed=False) == ""
    assert register.count("b1", failed=True) == ""
    assert register.count("b1", failed=True).startswith("it failed 2 times in a row; `portage-ext coordinator resume b1`")
    assert register.count("b1", failed=False) != ""
    register.close("b1", "")
    assert register.read()["b1"] == Known(register.read()["b1"].secret)
    assert register.count("gone", failed=True) == ""


def test_a_change_is_seen(register: Register) -> None:
    before = register.stamp()
    register.add("b1")
    assert register.stamp() != before


def test_what_is_not_there_is_named(register: Register, tmp_path: Path) -> None:
    register.add("b1")
    with pytest.raises(SwarmError, match=r"there is no builder b2\. There is: b1"):
        register.close("b2", "why")
    with pytest.raises(SwarmError, match="this host is no coordinator"):
        Register(tmp_path / "none").read()

"""A key in a gpg home: it is there, it is not, or gpg cannot say; by real gpg."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.errors.trust import GpgError
from portage_ext.trust.keyfiles import only
from portage_ext.trust.manage import present_in_portage
from tests.testkit import keys
from tests.testkit.keys import SigningKey


@pytest.fixture(scope="module")
def key() -> Iterator[SigningKey]:
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        made = keys.new_key(Path(name) / "home")
        yield made
        keys.kill_agents(made.home)


def test_a_key_that_is_there_and_one_that_is_not(key: SigningKey, tmp_path: Path) -> None:
    found = present_in_portage(key.home, key.fingerprint)
    assert only([found], key.fingerprint, "the test")
    assert present_in_portage(key.home, "A" * 40) == b""
    assert present_in_portage(tmp_path / "nowhere", key.fingerprint) == b""


def test_a_keyring_that_gpg_cannot_read_is_not_one_without_the_key(key: SigningKey, tmp_path: Path) -> None:
    (tmp_path / "pubring.kbx").mkdir()
    with pytest.raises(GpgError):
        present_in_portage(tmp_path, key.fingerprint)

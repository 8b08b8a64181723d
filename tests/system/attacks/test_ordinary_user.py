"""An ordinary user's `emerge -p` sees the same verified index and the same refusals, and leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portage_ext.trust.memory import StateDirectory
from tests.system.attacks.lab import REPO, Lab
from tests.testkit.outcome import Outcome

NOBODY = 65534
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


def as_nobody(lab: Lab) -> Outcome:
    return lab.client.emerge("-1", "--pretend", "--getbinpkgonly", "app-misc/hello", as_user=NOBODY)


def files(state: StateDirectory) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in state.directory.iterdir()}


def test_an_ordinary_user_sees_the_verified_index(lab: Lab) -> None:
    outcome = as_nobody(lab).ok()
    assert "index of lab verified" in outcome.text
    assert outcome.binaries() == {"app-misc/hello-1.1"}
    assert not StateDirectory(lab.client.path, REPO).directory.exists()


def test_an_ordinary_user_is_refused_what_root_is_and_changes_nothing(lab: Lab) -> None:
    old = {name: (lab.directory / name).read_bytes() for name in ("Release", "Release.asc")}
    lab.publish()
    lab.accepted()
    state = StateDirectory(lab.client.path, REPO)
    before = files(state)
    as_nobody(lab).ok()
    for name, data in old.items():
        (lab.directory / name).write_bytes(data)
    assert "[rollback]" in as_nobody(lab).failed().text
    assert files(state) == before

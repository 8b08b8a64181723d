"""What cannot be remembered is said, once; what cannot be what was remembered is refused. Through real emerge."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portage_ext.trust.memory import StateDirectory
from tests.system.attacks.lab import REPO, Lab

NOBODY = 65534
SAID = "cannot be written to remember it"


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """``directory`` as on a file system that is mounted read-only, which binds root too."""
    if os.getuid() != 0:
        directory.chmod(0o555)
        yield
        directory.chmod(0o755)
        return
    if subprocess.run(["mount", "--bind", str(directory), str(directory)], check=False, capture_output=True).returncode:
        pytest.skip("may not mount here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(directory)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def test_a_release_that_cannot_be_remembered_is_said_once(lab: Lab) -> None:
    lab.remembers()
    state = StateDirectory(lab.client.path, REPO)
    before = state.memory_file.read_bytes()
    with read_only(state.directory):
        # Nothing is lost as long as nothing is new.
        assert SAID not in lab.emerge("--pretend", "app-misc/flags").ok().text
        lab.publish()
        outcome = lab.emerge("--pretend", "app-misc/flags").ok()
        assert outcome.text.count(SAID) == 1, outcome
        assert f"Release {lab.release().version} " in outcome.text, outcome
        if os.getuid() == 0:
            ordinary = lab.client.emerge("-1", "--pretend", "--getbinpkgonly", "app-misc/flags", as_user=NOBODY).ok()
            assert SAID not in ordinary.text, ordinary
    assert state.memory_file.read_bytes() == before
    assert SAID not in lab.emerge("--pretend", "app-misc/flags").ok().text


@pytest.mark.slow
def test_a_memory_that_cannot_be_is_refused(lab: Lab) -> None:
    lab.remembers()
    state = StateDirectory(lab.client.path, REPO)
    document = json.loads(state.memory_file.read_text())
    document["seen"]["version"] = -5
    for text in (json.dumps(document), "[" * 10_000 + "]" * 10_000):
        state.memory_file.write_text(text)
        lab.refused("DamagedStateError")
    lab.client.run("portage-ext", "trust", "forget", REPO).ok()
    lab.accepted()

"""Who cannot isolate a build is told in one line what to do, before anything is read or built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.testkit import environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

NOBODY = 65534
COMMANDS = (("build", "laptop", "app-misc/note"), ("builds", "run"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run a command as another user, or without a capability")
def test_another_user_and_a_root_without_its_capability_are_refused(work: Path) -> None:
    root = Root.create(work / "root", environments.environment(), [EbuildRepository.create(work / "tiny")])
    program = (str(root.environment.python), "-m", "portage_ext.cli.main")
    weak = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", *program)
    for command in COMMANDS:
        for run, todo in (
            (root.run(*program, *command, as_user=NOBODY), "run this command as root"),
            (root.run(*weak, *command), "run this command on the host, or give the container that capability"),
        ):
            said = run.failed().stderr
            assert said.count("\n") == 1, said
            assert "cannot isolate a build: " in said
            assert f"{todo}. Nothing was built" in said
    assert not (root.path / "var/lib/portage-ext").exists()

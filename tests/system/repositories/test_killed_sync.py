"""`emerge --sync` is killed at each step of picking: the repository stays as it was, and a later sync goes to its end."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

from portage_ext.repositories import swap
from tests.system.repositories.overlays import Client, Overlay

GIT = """#!/bin/bash
count=$(($(cat "{work}/count") + 1))
echo $count > "{work}/count"
[[ $count == "$(cat "{work}/dies")" ]] && kill -KILL 0
exec "{git}" "$@"
"""


def test_a_sync_that_is_killed_at_each_step(work: Path, client: Client, guru: Overlay) -> None:
    """At each call of git: while it fetches, lists, and brings files. test_kill.py has the exchange."""
    client.configure(guru)
    client.list("app-misc/keyd::guru")
    client.sync().ok()
    guru.ebuild("app-misc/keyd-2.0")
    guru.commit()
    before = swap.read(client.picked())
    programs = work / "programs"
    programs.mkdir()
    (programs / "git").write_text(GIT.format(work=work, git=shutil.which("git")))
    (programs / "git").chmod(0o755)
    environment = client.root.variables() | client.variables()
    environment["PATH"] = f"{programs}:{environment['PATH']}"

    def sync(dies: int) -> int:
        (work / "count").write_text("0")
        (work / "dies").write_text(str(dies))
        command = client.root._words(("emerge", "--sync", "guru"))
        with subprocess.Popen(
            command, env=environment, cwd=client.root.path, start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            return process.wait(300)

    number = 1
    while sync(number) == -signal.SIGKILL:
        assert swap.read(client.picked()) == before, number
        number += 1
    # The run after the last kill went to its end, with what the killed ones had left.
    assert number > 4
    assert {one.name for one in client.picked().glob("app-misc/keyd/*.ebuild")} == {"keyd-1.0.ebuild", "keyd-2.0.ebuild"}
    assert sorted(one.name for one in client.picked().parent.iterdir()) == ["guru"]

"""`portage-ext deploy` over real ssh: two hosts get what was built for each; one that fails does not stop the other.

In make test both hosts take the builds of one target, so that one build serves; in the slow test each is a target of its own.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.system.builds import lab as kit
from tests.system.builds.lab import Lab
from tests.testkit import sshd

pytestmark = pytest.mark.skipif(sshd.SSHD is None, reason="sshd is not installed")


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["one target", "a target each"])
def hosts(work: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Both targets are reached by an sshd each, whose every command runs in that target. Host v3 may take v2's builds."""
    if not kit.CAN:
        pytest.skip(kit.REASON)
    lab = kit.make(work, "v2", "v3", libraries=False)
    lab.repository.data("app-misc/note-1.0")
    text = (lab.builder.path / "etc/portage/portage-ext.toml").read_text()
    with ExitStack() as stack:
        for name, root in lab.targets.items():
            target = name if request.param else "v2"
            root.etc("binrepos.conf", f"[built]\nsync-uri = file://{lab.work}/binpkgs-{target}\nverify-signature = false\n")
            place = lab.work / f"ssh-{name}"
            place.mkdir()
            sshd.new_ssh_key(place / "host")
            inside = " ".join(f"{key}={shlex.quote(value)}" for key, value in root.variables().items())
            forced = f'env -i {inside} sh -c \\"$SSH_ORIGINAL_COMMAND\\"'
            (place / "authorized").write_text(f'command="{forced}" {sshd.new_ssh_key(place / "user")}')
            port = stack.enter_context(sshd.running(place))
            words = ["-p", str(port), *shlex.split(sshd.client_options(place / "user"))]
            quoted = ", ".join(f'"{word}"' for word in words)
            text += f'\n[deploy.{name}]\nssh = "root@127.0.0.1"\ntarget = "{target}"\noptions = [{quoted}]\n'
        lab.builder.etc("portage-ext.toml", text)
        yield lab


def test_two_hosts_of_which_one_fails_in_the_middle(hosts: Lab) -> None:
    plan = hosts.run("deploy", "v2", "v3", "app-misc/note", "--pretend").ok()
    assert "to build  source" in plan.stdout
    assert hosts.packages("v2") == hosts.packages("v3") == []
    # The second host does not see its binhost any more: its half must not begin.
    (hosts.targets["v2"].path / "etc/portage/binrepos.conf").unlink()
    done = hosts.run("deploy", "v2", "v3", "app-misc/note").failed()
    assert "v2  failed: emerge there ended with status" in done.stdout
    assert "v3  has app-misc/note-1.0" in done.stdout
    assert "app-misc/note-1.0" not in hosts.targets["v2"].installed()
    assert "app-misc/note-1.0" in hosts.targets["v3"].installed()
    assert hosts.targets["v3"].merged()["app-misc/note-1.0"] == "binary"


def test_hosts_and_packages_are_told_apart(small: Lab) -> None:
    unknown = small.run("deploy", "nosuch", "app-misc/thing").failed()
    assert "portage-ext.toml has no [deploy.nosuch] (known: none)" in unknown.stderr
    assert "name hosts first" in small.run("deploy", "app-misc/thing").failed().stderr

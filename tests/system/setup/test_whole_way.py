"""From a fresh root to a client that installs what the binhost's hook published, and back to the fresh root: real emerge."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.system.setup.machines import Machine
from tests.testkit import ebuilds, httpd

URL = "{}/binhost/packages/production"


def test_setup_build_install_and_no_trace(work: Path) -> None:
    repository = ebuilds.standard(work / "repo")
    machine, client = (Machine.fresh(work / name, repository) for name in ("a", "b"))
    (work / "a/srv").mkdir()
    with httpd.serve(work / "a/srv") as server:
        url = URL.format(server.url)
        told = machine.setup("--role", "both", "--binhost", url).ok()
        assert "nothing is published in production yet" in told.stdout
        built = machine.root.emerge("-1", "app-misc/hello").ok()
        assert "1 package signed and indexed, published as release 1 of production" in built.text
        assert "verified: Release 1 of " in machine.setup("--role", "both").ok().stdout

        # The key of somebody else ends the setup of a client.
        other = machine.choice("key")[::-1]
        refused = client.setup("--role", "client", "--binhost", url, "--key", other).failed()
        assert other in refused.stderr
        client.setup("--uninstall").ok()
        assert client.differences() == set()

        told = client.setup("--role", "client", "--binhost", url, "--key", machine.choice("key")).ok()
        assert "verified: Release 1 of " in told.stdout
        listed = client.root.etc("package.env", "app-misc/hello getbinpkg.conf\n")
        merged = client.root.emerge("-1", "app-misc/hello").ok()
        assert client.root.merged() == {"app-misc/hello-1.1": "binary"}
        assert "verification is defeated" not in merged.text
        listed.unlink()

        for one in (machine, client):
            one.setup("--status").ok()
            one.root.emerge("-C", "app-misc/hello").ok()
            one.setup("--uninstall", "--purge").ok()
    (work / "a/srv").rmdir()
    for one in (machine, client):
        assert one.differences() == set()


@pytest.mark.slow
def test_nothing_but_the_installer_no_difference_at_all(work: Path) -> None:
    machine = Machine.fresh(work / "a", ebuilds.standard(work / "repo"))
    machine.setup("--role", "both", "--binhost", "http://127.0.0.1:9/production").ok()
    machine.setup("--uninstall", "--purge").ok()
    compared = subprocess.run(["diff", "-r", str(machine.before), str(machine.root.path)], capture_output=True, check=False)
    assert (compared.returncode, compared.stdout) == (0, b"")

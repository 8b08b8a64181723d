"""Real Buildbot over TLS hands jobs of the ledger to machines that have joined; what they bring is checked and published."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.swarm.kit import Machine, Swarm
from tests.testkit import environments


def refuses_another_certificate(swarm: Swarm, machine: Machine, token: Path) -> str:
    """``machine`` does not join with ``token`` when it names another certificate; the address of the coordinator."""
    words = token.read_text().split()
    forged = swarm.lab.work / "forged.token"
    forged.write_text(" ".join((*words[:3], "ab" * 32)) + "\n")
    forged.chmod(0o600)
    url = f"tls://{swarm.place}:{swarm.port}"
    refused = machine.run("builder", "join", url, "--token-file", str(forged)).failed()
    assert f"its certificate has the fingerprint {words[3]}, and the token names abab" in refused.stderr
    return url


def test_a_machine_joins_builds_drains_and_leaves(swarm: Swarm) -> None:
    lab = swarm.lab
    lab.repository.data("app-misc/note-1")
    # Nobody can build it: the job waits, and says why.
    swarm.make("b1")
    assert "there is no builder" in swarm.waiting("app-misc/note-1")
    machine = swarm.join("b1")
    swarm.until(lambda: swarm.entries()[0].reason == "no builder can run it: b1: it has no environment of v2")
    # A builder that drains takes nothing, and a resumed one does.
    machine.run("builder", "drain", "a new kernel").ok()
    swarm.until(lambda: swarm.seen("b1")["closed"] == "a new kernel")
    assert json.loads(machine.run("builder", "status", "--json").failed().stdout)["closed"] == "a new kernel"
    machine.run("target", "capture", "v2", "--prefix", str(lab.targets["v2"].path)).ok()
    swarm.until(lambda: "every builder that can run it is closed: b1: a new kernel" in swarm.entries()[0].reason)
    told = json.loads(lab.run("swarm", "--json").ok().stdout)
    assert [(one["cpv"], one["target"]) for one in told["queue"]] == [("app-misc/note-1", "v2")]
    assert "b1  x86_64" in lab.run("swarm").ok().stdout
    # The same command as with the engine of one machine: it has seen the queue before the builder is resumed.
    words = [str(lab.builder.environment.bin / "portage-ext"), "build", "v2", "=app-misc/note-1"]
    variables = lab.builder.variables() | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        assert "to build" in asking.stdout.readline()
        machine.run("builder", "resume").ok()
        said = asking.stdout.read()
    assert asking.returncode == 0
    assert "published app-misc/note-1 as note-1-1.gpkg.tar" in said
    assert swarm.states() == {"app-misc/note-1": "published"}
    assert [path.name for path in lab.packages("v2")] == ["note-1-1.gpkg.tar"]
    assert "CPV: app-misc/note-1" in (lab.work / "binpkgs-v2/Packages").read_text()
    assert swarm.cages() == []

    # Forgotten while the coordinator runs: its connection ends, and it cannot come back.
    lab.run("coordinator", "remove", "b1").ok()
    swarm.until(lambda: swarm.status()["builders"] == [])
    assert lab.run("coordinator", "status", "--json").ok()
    swarm.coordinator.kill(15)
    assert swarm.coordinator.process is not None
    assert swarm.coordinator.process.returncode == 0
    stopped = lab.run("build", "v2", "app-misc/note", "--pretend").ok()
    assert "exists" in stopped.stdout


@pytest.mark.slow
def test_a_wrong_certificate_is_refused_before_the_secret_is_shown(swarm: Swarm) -> None:
    lab, machine = swarm.lab, swarm.make("b1", "v2")
    token = lab.work / "b1.token"
    lab.run("coordinator", "add", "b1", "--token-file", str(token)).ok()
    url = refuses_another_certificate(swarm, machine, token)
    # It had joined; then somebody else answers there, with a certificate of the same name.
    machine.run("builder", "join", url, "--token-file", str(token), "--no-run").ok()
    swarm.coordinator.kill(15)
    for name in ("key.pem", "cert.pem"):
        (swarm.state / name).unlink()
    lab.run("coordinator", "setup").ok()
    swarm.start()
    machine.start("builder", "run")
    swarm.until(lambda: "certificate verify failed" in machine.said())
    assert swarm.seen("b1")["closed"] == "it is not connected"


@pytest.mark.slow
def test_a_builder_runs_no_command_but_its_own(swarm: Swarm) -> None:
    """What a coordinator that was taken over can make a builder do: Buildbot's worker is asked for other words and places."""
    swarm.lab.repository.data("app-misc/note-1")
    machine = swarm.join("b1", "v2")
    secret, taken = machine.root.path / "secret", swarm.lab.work / "taken"
    secret.write_text("x")
    swarm.coordinator.kill(15)
    # The coordinator's own configuration of Buildbot, changed as a thief would.
    python = swarm.lab.builder.environment.site_packages / "portage_ext/swarm/in_buildbot/master.py"
    directory = swarm.state / "master"
    text = (
        python.read_text()
        .replace("workersrc=there", f"workersrc={str(secret)!r}")
        .replace("Perform(wanted, haltOnFailure=True)", "Perform(wanted, flunkOnFailure=False)")
        .replace('["portage-ext-perform"]', f'["touch", {str(taken)!r}]')
    )
    (directory / "master.cfg").write_text(text)
    shutil.copyfile(directory / "empty.sqlite", directory / "state.sqlite")
    (directory / "master.sock").unlink(missing_ok=True)
    words = [str(environments.buildbot() / "bin/twistd"), "--nodaemon", "--no_save", "--pidfile=", "-y", "buildbot.tac"]
    with subprocess.Popen(words, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as thief:
        try:
            swarm.until_true((directory / "master.sock").exists)
            told = swarm.ask("b1", str(swarm.lab.work / "stolen"))
        finally:
            thief.terminate()
    assert told["how"] in ("failed", "error")
    assert not taken.exists()
    assert not (swarm.lab.work / "stolen").exists()
    log = (machine.root.path / "var/lib/portage-ext/builder/twistd.log").read_text()
    assert "which is outside the directory of the attempt" in log

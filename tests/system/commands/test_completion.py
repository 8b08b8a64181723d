"""Completion in real shells says what the parsers take."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from portage_ext.cli.commands import COMMANDS, GROUPS, INTERNAL
from tests.testkit import environments

TYPED = COMMANDS.keys() - GROUPS[INTERNAL].keys()


@pytest.fixture
def script(work: Path, request: pytest.FixtureRequest) -> Path:
    """What `portage-ext completion` prints for the shell of the test's name, in a file."""
    shell = request.node.name.split("_")[1]
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = work / f"_{shell}"
    command = [str(environments.environment().bin / "portage-ext"), "completion", shell]
    path.write_bytes(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return path


def in_bash(script: Path, *words: str) -> list[str]:
    quoted = " ".join(f"'{word}'" for word in words)
    ask = f'source "{script}"; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _portage_ext; echo "${{COMPREPLY[@]}}"'
    return subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True).stdout.split()


def test_bash_completes_commands_options_and_what_follows_them(script: Path) -> None:
    assert set(in_bash(script, "portage-ext", "")) == {*TYPED, "-h", "--help", "--version"}
    assert in_bash(script, "portage-ext", "publ") == ["publish"]
    assert "--renew" in in_bash(script, "portage-ext", "publish", "--")
    assert set(in_bash(script, "portage-ext", "trust", "")) >= {"add", "list", "remove", "forget"}
    assert in_bash(script, "portage-ext", "trust", "add", "lab", "--fing") == ["--fingerprint"]
    assert in_bash(script, "portage-ext", "publish", "--pkgdir", "") == []
    assert in_bash(script, "portage-ext", "releases", "--at") == []
    assert set(in_bash(script, "/usr/bin/olm", "")) == {"add", "remove", "list", "why", "diff", "-h", "--help"}
    assert in_bash(script, "olm", "diff", "--off") == ["--offline"]


def test_bash_script_is_clean(script: Path) -> None:
    done = subprocess.run(["shellcheck", "-s", "bash", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_fish_completes_commands_and_options(script: Path) -> None:
    def complete(line: str) -> set[str]:
        ask = ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"]
        answer = subprocess.run(
            ask, capture_output=True, text=True, check=True, env={"HOME": str(script.parent), "PATH": "/usr/bin:/bin"}
        )
        return {one.split("\t")[0] for one in answer.stdout.splitlines()}

    assert set(TYPED) <= complete("portage-ext ")
    assert "--renew" in complete("portage-ext publish --")
    assert {"add", "list"} <= complete("portage-ext trust ")
    assert "--fingerprint" in complete("portage-ext trust add --")
    assert {"add", "why"} <= complete("olm ")
    assert "--offline" in complete("olm diff --")


def test_zsh_reads_the_script(script: Path) -> None:
    subprocess.run(["zsh", "-f", "-n", str(script)], check=True)
    text = script.read_text()
    assert all(f"'{name}:" in text for name in TYPED)
    assert not any(f"'{name}:" in text for name in GROUPS[INTERNAL])

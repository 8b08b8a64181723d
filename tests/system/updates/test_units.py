"""What runs unattended is what systemd, cron and the shell take it for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.testkit.environments import CHECKOUT

UNITS = sorted((CHECKOUT / "etc/systemd/system").iterdir())
CRON = sorted((CHECKOUT / "etc/cron.d").iterdir())
SERVICES = sorted((CHECKOUT / "etc/init.d").iterdir())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here, which alone can judge its units")
def test_systemd_accepts_every_unit(tmp_path: Path) -> None:
    program = tmp_path / "portage-ext"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in UNITS:
        # The program is where pip puts it, which systemd wants to see.
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/bin/portage-ext", str(program)))
    for unit in UNITS:
        words = ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        said = [line for line in done.stderr.splitlines() if "portage-ext" in line]
        assert (done.returncode, said) == (0, []), done.stderr


def test_a_wrong_unit_would_be_found(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd here, which alone can judge its units")
    unit = tmp_path / "portage-ext-wrong.service"
    unit.write_text("[Service]\nType=oneshot\nExecStart=/no/such/program\n")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode != 0


@pytest.mark.parametrize("file", CRON, ids=lambda one: one.name)
def test_cron_starts_a_command_that_the_shell_reads(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        match = re.fullmatch(r"(?:\d+ \d+|\*/\d+ \*) \* \* \* +root  (?P<command>.*)", line)
        assert match, line
        assert "%" not in match["command"], "cron takes it for a line break"
        subprocess.run(["sh", "-n", "-c", match["command"]], check=True)


@pytest.mark.parametrize("file", SERVICES, ids=lambda one: one.name)
def test_openrc_reads_every_service(file: Path) -> None:
    """As openrc-run(8) does, which sources it in sh and then calls its functions; what OpenRC gives them is a stand-in here."""
    assert file.read_text().startswith("#!/sbin/openrc-run\n")
    script = """
    for word in need use want after before provide keyword; do eval "$word() { echo $word \"\\$@\"; }"; done
    . "$1" && depend && echo "$supervisor|$command|$command_args"
    """
    done = subprocess.run(["sh", "-euc", script, "sh", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    *depends, started = done.stdout.splitlines()
    assert depends
    wanted = r"supervise-daemon\|(/usr/bin/portage-ext\|\w.*|/bin/sh\|-c '.*/usr/bin/portage-ext .*')"
    assert re.fullmatch(wanted, started), started


def test_the_page_names_every_unit_and_every_line_of_cron() -> None:
    page = (CHECKOUT / "docs/administration.md").read_text().partition("### What runs when")[2].partition("\n### ")[0]
    timed = {unit.stem for unit in UNITS if unit.suffix == ".timer"}
    for unit in UNITS:
        assert f"`{unit.name}`" in page or (unit.suffix == ".service" and unit.stem in timed), unit.name
    for file in CRON:
        assert f"/etc/cron.d/{file.stem}`" in page, file.name
    for file in SERVICES:
        assert f"/etc/init.d/{file.stem}`" in page, file.name

"""A package that is fetched in a fork of emerge is fetched as by a process of its own, and ends with emerge.

The program `portage-ext` on PATH first writes down what it is told and what it has. Its first line decides how it runs: only a
Python that starts can obey an option.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.system.attacks.lab import Lab, flip
from tests.testkit import hostile, portages
from tests.testkit.environments import NEWEST
from tests.testkit.hostile import Handler, Hostile
from tests.testkit.outcome import Outcome

FORKED, PROCESS = "", " -B"
FLAGS = "/app-misc/flags/flags-2.0-1.gpkg.tar"
LOOK = """
import json, locale, os, re, resource, signal, sys
mask = os.umask(0)
os.umask(mask)
status = open("/proc/self/status").read()
seen = {
    "pid": os.getpid(), "forked": b"--uri" not in open("/proc/self/cmdline", "rb").read().split(b"\\0"), "argv": sys.argv,
    "variables": dict(os.environ), "folder": os.getcwd(), "umask": mask, "users": os.getresuid(), "groups": os.getresgid(),
    "more groups": os.getgroups(), "session": os.getsid(0) == os.getsid(os.getppid()), "nice": os.nice(0),
    "group": os.getpgid(0) == os.getpgid(os.getppid()), "terminal": [os.isatty(fd) for fd in range(3)],
    "open": sorted(fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")),
    "signals": re.findall("^(?:SigBlk|SigIgn|SigCgt|SigPnd):.*", status, re.M), "dumpable": "CapEff" in status,
    "limits": [resource.getrlimit(number) for number in range(10)], "alarm": signal.getitimer(signal.ITIMER_REAL),
    "streams": [(one.encoding, one.errors, one.fileno()) for one in (sys.stdin, sys.stdout, sys.stderr)],
    "messages": locale.setlocale(locale.LC_MESSAGES), "interrupt": signal.getsignal(signal.SIGINT) is not signal.SIG_DFL,
}
with open(LOG, "a") as log:
    log.write(json.dumps(seen) + "\\n")
"""


def program(lab: Lab, option: str) -> Path:
    """The folder with a `portage-ext` that writes down what it sees into ``seen`` there."""
    folder = lab.client.path / f"programs{option.strip()}"
    folder.mkdir()
    (folder / "look").write_text(LOOK.replace("LOG", repr(str(folder / "seen"))))
    script = folder / "portage-ext"
    script.write_text(
        f"#!{lab.client.environment.python}{option}\nimport sys\nfrom portage_ext.cli.main import program\n"
        f"exec(open({str(folder / 'look')!r}).read())\nsys.exit(program())\n"
    )
    script.chmod(0o755)
    return folder


def path(lab: Lab, folder: Path) -> str:
    return f"{folder}:{lab.client.variables()['PATH']}"


def seen(folder: Path) -> list[dict[str, Any]]:
    """What the fetches of packages have seen."""
    lines = map(json.loads, (folder / "seen").read_text().splitlines())
    return [one for one in lines if any(word.endswith(".partial") for word in one["argv"])]


def said(outcome: Outcome) -> list[str]:
    lines = [line for line in outcome.text.splitlines() if line.startswith("portage-ext")]
    return [line for line in lines if "index of lab" not in line]


@pytest.fixture
def portage(request: pytest.FixtureRequest) -> str:
    """The newest Portage, or what a test asks for."""
    return str(getattr(request, "param", NEWEST))


@pytest.mark.parametrize("portage", portages.outermost(), indirect=True)
def test_a_fork_is_as_a_process_of_its_own(lab: Lab) -> None:
    told: dict[str, tuple[list[dict[str, Any]], list[str], str]] = {}
    # One that is waited for, and one that is fetched ahead.
    wanted = ("app-misc/hello", "app-misc/flags")
    for option in (FORKED, PROCESS):
        folder = program(lab, option)
        log = lab.client.path / "var/log/emerge-fetch.log"
        log.unlink(missing_ok=True)
        outcome = lab.emerge("--nodeps", *wanted, PATH=path(lab, folder)).ok()
        told[option] = (seen(folder), said(outcome), log.read_text())
        lab.client.forget_downloads()
    forked, process = told[FORKED], told[PROCESS]
    assert [len(forked[0]), len(process[0])] == [2, 2]
    assert all(one["forked"] for one in forked[0])
    assert not any(one["forked"] for one in process[0])
    for one, other in zip(forked[0], process[0], strict=True):
        for each, place in ((one, "programs"), (other, "programs-B")):
            each.update(pid=0, forked=0)
            # A stream of Portage's own has whatever number was free in emerge.
            each["open"] = (each["open"][:2], len(each["open"]))
            each["argv"][0] = each["argv"][0].replace(f"/{place}/", "/")
            each["variables"] = {name: value.replace(f"/{place}:", ":") for name, value in each["variables"].items()}
        assert one == other
    assert sorted(forked[1]) == sorted(process[1])
    assert plain(forked[2]) == plain(process[2])


def plain(log: str) -> list[str]:
    return sorted(re.sub(r"\d+", "N", line) for line in log.splitlines() if "verified" in line)


def test_a_damaged_package_is_refused_with_the_same_words(lab: Lab) -> None:
    flip(lab.package("app-misc/flags-2.0"))
    lines = []
    for option in (FORKED, PROCESS):
        folder = program(lab, option)
        outcome = lab.refused("CorruptFileError", PATH=path(lab, folder))
        assert [one["forked"] for one in seen(folder)] == [option == FORKED]
        lines.append(said(outcome))
    assert lines[0] == lines[1]


def test_a_server_that_has_no_package(lab: Lab, server: Hostile) -> None:
    server.answers[FLAGS] = hostile.status(404)
    folder = program(lab, FORKED)
    lab.refused("NotFoundError", PATH=path(lab, folder))
    assert [one["forked"] for one in seen(folder)] == [True]


def test_a_program_that_fails_in_the_fork_is_a_failed_fetch(lab: Lab) -> None:
    folder = program(lab, FORKED)
    (folder / "look").write_text(f"{(folder / 'look').read_text()}\nif seen['forked']: raise RuntimeError('of the test')\n")
    outcome = lab.emerge("--fetchonly", "app-misc/flags", PATH=path(lab, folder))
    assert outcome.status != 0
    assert said(outcome).count("portage-ext: the fetch failed: RuntimeError: of the test") == 1
    assert "Traceback" not in outcome.text
    assert not list((lab.client.path / "var/cache/binhost").rglob("*.gpkg.tar"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_fork_ends_with_emerge(lab: Lab, server: Hostile, number: signal.Signals) -> None:
    asked, gone = threading.Event(), threading.Event()

    def wait(handler: Handler) -> None:
        asked.set()
        handler.connection.settimeout(None)
        assert handler.connection.recv(1) == b""
        gone.set()

    server.answers[FLAGS] = wait
    folder = program(lab, FORKED)
    tools = lab.client.environment
    emerge = subprocess.Popen(
        [tools.python, tools.script("emerge") or "", "-1", "--getbinpkgonly", "--fetchonly", "app-misc/flags"],
        env=lab.client.variables() | {"PATH": path(lab, folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert asked.wait(300)
    assert [one["forked"] for one in seen(folder)] == [True]
    os.kill(emerge.pid, number)
    output, _ = emerge.communicate(timeout=300)
    assert emerge.returncode != 0
    assert gone.wait(300), output
    assert not Path(f"/proc/{seen(folder)[0]['pid']}").exists()
    assert "verified" not in output.partition("app-misc/flags-2.0")[2]


def test_an_upgrade_of_portage_ext_during_the_run(lab: Lab) -> None:
    """A file of it is replaced before the second fetch: the fetch is a process, which has only new files."""
    folder = program(lab, FORKED)
    script = folder / "portage-ext"
    (folder / "new").write_text(script.read_text())
    (folder / "new").chmod(0o755)
    (folder / "look").write_text(
        f"{(folder / 'look').read_text()}\nif sys.argv[-1].endswith('.partial') and os.path.exists({str(folder / 'new')!r}):\n"
        f"    os.replace({str(folder / 'new')!r}, {str(script)!r})\n"
    )
    lab.emerge("--fetchonly", "--nodeps", "app-misc/hello", "app-misc/flags", PATH=path(lab, folder)).ok()
    assert [one["forked"] for one in seen(folder)] == [True, False]


def test_another_portage_ext_on_the_path(lab: Lab) -> None:
    """A wrapper of the administrator's is executed, whatever it does."""
    folder = lab.client.path / "wrapped"
    folder.mkdir()
    (folder / "portage-ext").write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/log\nexec {lab.client.environment.bin}/portage-ext "$@"\n'
    )
    (folder / "portage-ext").chmod(0o755)
    lab.emerge("--fetchonly", "app-misc/flags", PATH=path(lab, folder)).ok()
    assert "flags-2.0-1.gpkg.tar" in (folder / "log").read_text()

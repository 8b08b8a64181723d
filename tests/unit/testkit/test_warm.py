"""A program that is forked from the server runs as one that is started: no test can tell, and no test needs to know."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testkit import warm

PYTHON = Path(sys.executable)
TELLS = """
import asyncio, atexit, json, os, signal, sys, threading
atexit.register(print, "at the end")
print(json.dumps({
    "argv": sys.argv, "file": __file__, "name": __name__, "main": sys.modules["__main__"].__file__, "path": sys.path[0],
    "environment": dict(os.environ), "cwd": os.getcwd(), "umask": oct(os.umask(0)), "threads": threading.active_count(),
    "descriptors": [os.readlink(f"/proc/self/fd/{n}").partition(":")[0] for n in sorted(os.listdir("/proc/self/fd"))[:-1]],
    "input": sys.stdin.read(),
    "streams": [(one.isatty(), one.encoding, one.line_buffering) for one in (sys.stdout, sys.stderr)],
    "signals": [repr(signal.getsignal(one)) for one in (signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD, signal.SIGTERM)],
    "executable": sys.executable, "prefix": sys.prefix, "session": os.getsid(0), "group": os.getpgid(0),
}))
print("an error\\r\\nof two lines", file=sys.stderr)
"""
ENVIRONMENT = {"LANG": "C.UTF-8", "HOME": "/nowhere", "PATH": "/usr/bin:/bin"}


def started(script: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(PYTHON), str(script), *words]
    return subprocess.run(
        command, env=ENVIRONMENT, cwd=script.parent, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def forked(script: Path, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return warm.run(PYTHON, (str(script), *words), ENVIRONMENT, script.parent, timeout)


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "program").write_text(text)
        return tmp_path / "program"

    return write


def test_it_cannot_tell_how_it_began(program: Callable[[str], Path]) -> None:
    script = program(TELLS)
    forked(script)  # the server has a umask, too
    before = os.umask(0o027)
    try:
        expected, found = started(script, "a", "b c"), forked(script, "a", "b c")
    finally:
        os.umask(before)
    assert '"a", "b c"' in expected.stdout
    assert (found.returncode, found.stdout, found.stderr) == (expected.returncode, expected.stdout, expected.stderr)


@pytest.mark.parametrize(
    "text",
    [
        "import sys; sys.exit(7)",
        "import sys; sys.exit('in words')",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os; os._exit(3)",
    ],
)
def test_it_ends_in_its_own_way(program: Callable[[str], Path], text: str) -> None:
    script = program(text)
    expected, found = started(script), forked(script)
    assert (found.returncode, found.stdout, found.stderr) == (expected.returncode, expected.stdout, expected.stderr)


def test_what_it_does_not_catch_is_status_1_and_a_traceback(program: Callable[[str], Path]) -> None:
    found = forked(program("raise ValueError('this')"))
    assert (found.returncode, found.stderr.splitlines()[-1]) == (1, "ValueError: this")


def test_many_at_once(program: Callable[[str], Path]) -> None:
    script = program("import sys, time; time.sleep(0.01 * (9 - int(sys.argv[1]))); print(sys.argv[1] * 100000)")
    found: dict[str, str] = {}
    threads = [threading.Thread(target=lambda one=one: found.update({one: forked(script, one).stdout})) for one in "123456789"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {one: one * 100000 + "\n" for one in "123456789"}


def test_one_that_hangs_is_ended(program: Callable[[str], Path]) -> None:
    script = program("import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)")
    for timeout in (0.5, 5, 50):
        with pytest.raises(subprocess.TimeoutExpired):
            forked(script, timeout=timeout)
        if (script.parent / "pid").exists() and (pid := (script.parent / "pid").read_text()):
            break
    else:
        pytest.fail("it never began")
    stat = Path("/proc", pid, "stat")
    forked(program("pass"))
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_what_is_read_before_a_program_begins_needs_a_start_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "enabled", True)
    assert warm.suits(("emerge",), ENVIRONMENT)
    for name in ("PYTHONPATH", "LD_PRELOAD", "LC_ALL", "TZ", "MALLOC_ARENA_MAX"):
        assert not warm.suits(("emerge",), ENVIRONMENT | {name: "x"}), name
    assert not warm.suits(("emerge",), ENVIRONMENT | {"LANG": "de_DE.UTF-8"})
    assert not warm.suits(("emerge", "x" * (1 << 20)), ENVIRONMENT)
    monkeypatch.setattr(warm, "enabled", False)
    assert not warm.suits(("emerge",), ENVIRONMENT)

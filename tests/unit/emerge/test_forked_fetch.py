"""Only the fetchcommand as we write it, of this Python, by an emerge with one thread, runs in a fork; all else is executed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from portage_ext.emerge import forked_fetch
from portage_ext.emerge.forked_fetch import _Loaded
from portage_ext.errors import UnknownPortageError

WORDS = ["portage-ext", "fetch", "--repo", "lab", "--root", "/", "--config-root", "/", "--uri", "http://h/p", "--output", "/o"]
CODE = compile("raise SystemExit(7)", "script", "exec")
FETCHER = SimpleNamespace(_selinux_type=None)


@pytest.fixture(autouse=True)
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A run of emerge that has begun; the thread of the test's own tools is none of it."""
    monkeypatch.setattr(forked_fetch, "_since", time.time_ns())
    monkeypatch.setattr(forked_fetch, "_impossible", False)
    monkeypatch.setattr(forked_fetch, "_loaded", _Loaded("/script", CODE, {}, frozenset()))
    monkeypatch.setattr(sys, "_current_frames", lambda: {1: None})
    monkeypatch.setattr(forked_fetch.messages, "off", lambda loss, error: pytest.fail(f"{loss}: {error!r}"))
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


def keywords(**changes: object) -> dict[str, Any]:
    return {"env": dict(os.environ), "fd_pipes": {0: 0, 1: 1, 2: 2}, "returnproc": True, **changes}


def spawned(words: list[str] = WORDS, fetcher: Any = FETCHER, **changes: object) -> Any:
    """What Portage's spawn was given as ``pre_exec``."""
    given: list[Any] = []

    def original(self: Any, args: list[str], pre_exec: Any = None, **more: Any) -> None:
        given.append(pre_exec)

    forked_fetch._instead(original)(fetcher, words, **keywords(**changes))
    return given[0]


def test_the_fetchcommand_that_we_write() -> None:
    assert spawned() is not None
    assert spawned([*WORDS, "--resume"]) is not None


@pytest.mark.parametrize(
    "words",
    [
        ["wget", *WORDS[1:]],
        ["/usr/bin/portage-ext", *WORDS[1:]],
        ["nice", *WORDS],
        [*WORDS, "--quiet"],
        [*WORDS, "--resume", "--json"],
        [*WORDS[:3], "", *WORDS[4:]],
        [*WORDS[:3], "--lab", *WORDS[4:]],
        [*WORDS[:4], "--config-root", "/", "--root", "/", *WORDS[8:]],
        WORDS[:-1],
        WORDS[:2],
        WORDS[:1],
    ],
)
def test_another_fetchcommand_is_executed(words: list[str]) -> None:
    assert spawned(words) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"uid": 250},
        {"unshare_net": True},
        {"env": None},
        {"fd_pipes": {1: 1, 2: 2}},
        {"env": dict(os.environ) | {"PYTHONPATH": "/elsewhere"}},
        {"env": dict(os.environ) | {"LD_PRELOAD": "/usr/lib/libsandbox.so"}},
        {"env": dict(os.environ) | {"LC_ALL": "de_DE"}},
    ],
)
def test_another_process_than_expected_is_executed(changes: dict[str, object]) -> None:
    assert spawned(**changes) is None


def test_variables_that_only_look_like_those_of_python_may_differ() -> None:
    assert spawned(env=dict(os.environ) | {"PYTHON_TARGETS": "python3_13", "LC_MESSAGES": "de_DE", "USE": "x"}) is not None


def test_a_policy_that_changes_the_domain_needs_an_execution() -> None:
    assert spawned(fetcher=SimpleNamespace(_selinux_type="portage_fetch_t")) is None


def test_no_fork_beside_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_current_frames", lambda: {1: None, 2: None})
    assert spawned() is None


def test_no_fork_from_another_thread() -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(spawned()))
    thread.start()
    thread.join()
    assert found == [None]


def test_another_way_to_start_processes() -> None:
    multiprocessing.set_start_method("spawn", force=True)
    assert spawned() is None


def test_outside_a_run_that_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked_fetch, "_since", None)
    assert spawned() is None


def test_a_portage_that_starts_this_process_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked_fetch, "_BinpkgFetcherProcess", type("Other", (), {"_spawn": lambda self, args: None}))
    with pytest.raises(UnknownPortageError, match="its own _spawn"):
        forked_fetch.begin(None)


def test_a_defect_of_ours_is_told_and_portage_executes_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(forked_fetch.messages, "off", lambda loss, error: told.append(f"{loss}: {type(error).__name__}"))
    monkeypatch.setattr(forked_fetch, "as_written", lambda words: 1 / 0)
    assert spawned() is None
    assert told == ["each package is fetched by a process that starts Python: ZeroDivisionError"]


# --- the program


def script(path: Path, first: str = f"#!{sys.executable}", rest: str = "import sys\nsys.exit(3)\n") -> str:
    path.write_text(f"{first}\n{rest}")
    return str(path)


def test_a_script_of_this_python(tmp_path: Path) -> None:
    assert forked_fetch.code_of(script(tmp_path / "portage-ext")) is not None


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        ("#!/bin/sh", "exec something\n"),
        (f"#!{sys.executable} -P", "pass\n"),
        ("#!/usr/bin/env python3", "pass\n"),
        (f"#!{sys.executable}.other", "pass\n"),
        (f"#!/elsewhere/{os.path.basename(sys.executable)}", "pass\n"),
        ("", "pass\n"),
        (f"#!{sys.executable}", "# long\n" * 400),
        (f"#!{sys.executable}", "no python at all\n"),
        (f"#!{sys.executable}", "\0\n"),
    ],
)
def test_any_other_program(tmp_path: Path, first: str, rest: str) -> None:
    assert forked_fetch.code_of(script(tmp_path / "portage-ext", first, rest)) is None


def test_a_script_below_python_exec(tmp_path: Path) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    real = tmp_path / "lib/python-exec" / version / "portage-ext"
    real.parent.mkdir(parents=True)
    (tmp_path / "lib/python-exec/python-exec2").touch()
    (tmp_path / "portage-ext").symlink_to("lib/python-exec/python-exec2")
    assert forked_fetch._script(str(tmp_path / "portage-ext")) == str(real)
    assert forked_fetch._script(str(real)) == str(real)


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that was read for the program, long before this run of emerge."""
    module = tmp_path / "module.py"
    module.touch()
    stamps = forked_fetch._stamps([str(module)])
    monkeypatch.setattr(forked_fetch, "_loaded", _Loaded("/script", CODE, stamps, frozenset({str(module)})))
    monkeypatch.setattr(forked_fetch, "_since", time.time_ns() + 10**12)
    return module


def test_a_file_as_it_was(loaded: Path) -> None:
    assert spawned() is not None


def test_a_file_that_has_changed_since_it_was_read(loaded: Path) -> None:
    loaded.write_text("another\n")
    assert spawned() is None
    loaded.write_text("")
    assert spawned() is None


def test_a_file_that_is_gone(loaded: Path) -> None:
    loaded.unlink()
    assert spawned() is None


def test_a_file_that_changed_after_emerge_began(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked_fetch, "_since", loaded.stat().st_ctime_ns)
    assert spawned() is None


def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked_fetch, "_loaded", None)
    monkeypatch.setattr(forked_fetch.process, "find_binary", lambda name: None)
    assert spawned() is None


# --- the child


def child(code: str, path: Path, **environment: str) -> tuple[int, str]:
    """The exit status of a child that becomes the program ``code``, and what it has written. 99: it has not begun."""
    out = os.open(path / "out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    pid = os.fork()
    if pid == 0:
        try:
            for fd in (1, 2):
                os.dup2(out, fd)
            forked_fetch._become(compile(code, "program", "exec"), "/bin/portage-ext", WORDS, environment)
        finally:
            os._exit(99)
    os.close(out)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), (path / "out").read_text()


@pytest.mark.parametrize(
    ("code", "status"),
    [("pass", 0), ("raise SystemExit", 0), ("raise SystemExit(4)", 4), ("raise SystemExit('words')", 1)],
)
def test_the_exit_status_is_that_of_the_program(tmp_path: Path, code: str, status: int) -> None:
    assert child(code, tmp_path)[0] == status


def test_an_exception_is_one_line_and_a_failed_fetch(tmp_path: Path) -> None:
    assert child("raise ValueError('strange')", tmp_path) == (1, "portage-ext: the fetch failed: ValueError: strange\n")


def test_ctrl_c_ends_it_as_a_signal_without_a_traceback(tmp_path: Path) -> None:
    code = "import os, signal\ntry:\n os.kill(os.getpid(), signal.SIGINT)\nfinally:\n print('cleaned', flush=True)"
    assert child(code, tmp_path) == (-2, "cleaned\n")


def test_the_program_has_its_words_and_variables_and_nothing_of_emerge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_EMERGE", "1")
    inherited, kept = os.pipe()
    os.set_inheritable(kept, True)
    code = (
        "import os, sys, signal\n"
        f"print(sys.argv[0], sys.argv[1:] == {WORDS[1:]!r}, dict(os.environ), signal.getsignal(signal.SIGUSR1).name)\n"
        f"for fd in ({inherited}, {kept}):\n"
        " try: os.fstat(fd)\n"
        " except OSError: print('closed')\n"
        " else: print('open')\n"
    )
    previous = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    try:
        status, said = child(code, tmp_path, ONLY="this", LANG="C.UTF-8")
    finally:
        signal.signal(signal.SIGUSR1, previous)
        os.close(inherited)
        os.close(kept)
    assert status == 0, said
    first, *rest = said.splitlines()
    assert first == "/bin/portage-ext True {'ONLY': 'this', 'LANG': 'C.UTF-8'} SIG_DFL"
    assert rest == ["closed", "open"]


def test_what_fails_before_the_program_begins_leaves_it_to_portage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked_fetch, "_close_as_exec_does", lambda: 1 / 0)
    assert child("raise SystemExit(0)", tmp_path) == (99, "")

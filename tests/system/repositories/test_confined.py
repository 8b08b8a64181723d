"""Foreign code writes nowhere, reaches nobody, and ends when its time is up."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import IO

import pytest

from portage_ext.errors.repositories import ConfinementError
from portage_ext.repositories import confined
from portage_ext.repositories.user import User

apart = pytest.mark.skipif(confined.lacking() is not None, reason=f"this kernel gives no namespaces: {confined.lacking()}")


def shell(work: Path, script: str, *, user: User | None = None, seconds: float = 30) -> tuple[str, str]:
    work.chmod(0o777)
    done = confined.run(
        ["bash", "-c", script], user=user, writable=[work], environment={"PATH": os.environ["PATH"]}, seconds=seconds
    )
    return done.stdout.decode().strip(), done.stderr.decode()


def read_to_its_end(pipe: IO[bytes]) -> bytes:
    """What comes out of a pipe until the last process has gone that holds its other side."""
    said: list[bytes] = []
    watcher = threading.Thread(target=lambda: said.append(pipe.read()), daemon=True)
    watcher.start()
    watcher.join(30)
    assert said, "a process lives on"
    return said[0]


@apart
def test_it_writes_into_its_own_directory_alone(work: Path) -> None:
    inside, outside = work / "inside", work / "outside"
    inside.mkdir()
    outside.mkdir(mode=0o777)
    said, errors = shell(inside, f"echo x > here && cat <<< text; echo x > {outside}/there; chmod 700 {outside}")
    assert said == "text"
    assert errors.count("Read-only file system") == 2
    assert [one.name for one in work.rglob("*")].count("there") == 0


@apart
def test_it_reaches_nobody(work: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said, _ = shell(work, f"echo x > /dev/tcp/127.0.0.1/{port} && echo reached")
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert said == ""


@apart
def test_all_of_it_ends_when_its_time_is_up(work: Path) -> None:
    os.mkfifo(work / "alive")
    script = 'trap "" TERM INT; exec 3> alive; (setsid sleep 1000 &); echo x >&3; while :; do sleep 1; done'
    # On a busy machine it may not have begun by then, which says nothing.
    for seconds in (1, 5, 25):
        with open(os.open(work / "alive", os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            with pytest.raises(ConfinementError, match=f"not done after {seconds} s"):
                shell(work, script, seconds=seconds)
            os.set_blocking(file.fileno(), True)
            said = read_to_its_end(file)
        if said:
            break
    assert said == b"x\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_becomes_the_user_of_the_sync(work: Path) -> None:
    said, _ = shell(work, "id -u; id -g; id -G; touch made", user=User(65534, 65533, (65533,)))
    assert said.split() == ["65534", "65533", "65533"]
    assert (work / "made").stat().st_uid == 65534


def test_a_large_file_is_cut_off(work: Path) -> None:
    shell(work, "head -c 20000000 /dev/zero > large")
    assert (work / "large").stat().st_size <= confined.limits.READER_FILE


def test_a_system_without_namespaces_keeps_the_user_and_the_limits(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "lacking", lambda: "not permitted")
    said, _ = shell(work, "ulimit -v; ulimit -c; echo x > here && cat here")
    assert said.split() == [str(confined.limits.READER_MEMORY // 1024), "0", "x"]

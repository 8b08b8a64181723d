"""A process that runs replaced files is found; one that has removed a file of its own, or only reads one, is not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from portage_ext.updates.restarts import advice, stale

MAPS = """\
55d0-55d1 r-xp 00000000 08:01 1234 /usr/sbin/sshd (deleted)
7f00-7f01 r-xp 00000000 08:01 1235 /usr/lib64/libfoo.so.1 (deleted)
7f01-7f02 r--p 00000000 08:01 1236 /usr/share/locale.alias (deleted)
7f02-7f03 rwxs 00000000 00:01 77 /memfd:doublemapper (deleted)
7f03-7f04 r-xp 00000000 08:01 1237 /usr/lib64/libc.so.6
"""


def process(proc: Path, pid: int, maps: str, name: str, group: str = "0::/") -> None:
    directory = proc / str(pid)
    directory.mkdir()
    (directory / "maps").write_text(maps)
    (directory / "comm").write_text(f"{name}\n")
    (directory / "cgroup").write_text(f"{group}\n")


def test_services_and_programs_are_named(tmp_path: Path) -> None:
    process(tmp_path, 7, MAPS, "sshd", "0::/system.slice/sshd.service")
    process(tmp_path, 8, MAPS.splitlines()[0], "vim", "0::/user.slice/user@0.service")
    process(tmp_path, 9, MAPS.splitlines()[4], "fine")
    process(tmp_path, 10, MAPS.splitlines()[3], "jit")
    (tmp_path / "11").mkdir()  # a process that ended meanwhile
    (tmp_path / "self").mkdir()
    found = stale(tmp_path)
    assert [(one.pid, one.service) for one in found] == [(7, "sshd.service"), (8, "user@0.service")]
    assert advice(found) == [
        "systemctl restart sshd.service  (it still runs /usr/lib64/libfoo.so.1 and 1 more replaced files)",
        "restart vim (process 8)",
    ]


def test_the_kernel_tells_of_a_program_that_was_replaced(work: Path) -> None:
    """The real maps of one below /tmp, as if it were in /usr/bin: below /tmp nothing is installed."""
    program = work / "cat"
    shutil.copy(shutil.which("cat") or "/bin/cat", program)
    running = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stdin is not None
    assert running.stdout is not None
    try:
        # Popen returns when exec has begun; a program that answers has all its maps.
        running.stdin.write(b"here\n")
        running.stdin.flush()
        assert running.stdout.readline() == b"here\n"
        program.unlink()
        maps = Path(f"/proc/{running.pid}/maps").read_text()
        assert f"{program} (deleted)" in maps
        proc = work / "proc"
        proc.mkdir()
        process(proc, running.pid, maps.replace(str(program), "/usr/bin/cat"), "cat")
        assert stale(proc)[0].files == ("/usr/bin/cat",)
    finally:
        running.kill()
        running.communicate()

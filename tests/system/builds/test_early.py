"""emerge is loaded early, but nothing is run before the line comes that allows it; then it runs as a script does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
print(__name__, sys.argv, sys.path[0], os.read(0, 1), sorted(os.listdir(os.environ["PKGDIR"])))
sys.exit(7)
"""


def run(tmp_path: Path, said: bytes, packages: str = "", text: str = SCRIPT) -> subprocess.CompletedProcess[bytes]:
    (tmp_path / "pkgdir").mkdir(exist_ok=True)
    script = tmp_path / "emerge"
    script.write_text(text)
    words = [sys.executable, "-m", "portage_ext.builds.cages.early", packages, str(script), "--oneshot", "=a/b-1"]
    environment = {**os.environ, "PKGDIR": str(tmp_path / "pkgdir"), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(words, input=said, capture_output=True, env=environment, check=False)


def test_without_the_line_nothing_is_run(tmp_path: Path) -> None:
    done = run(tmp_path, b"")
    assert (done.returncode, done.stdout) == (1, b"")


def test_with_the_line_the_script_is_run_as_python_would_have_run_it(tmp_path: Path) -> None:
    done = run(tmp_path, b"go\n")
    argv = [str(tmp_path / "emerge"), "--oneshot", "=a/b-1"]
    assert done.stdout.decode() == f"__main__ {argv} {tmp_path} b'' []\n"
    assert done.returncode == 7


def test_packages_that_came_meanwhile_are_copied(tmp_path: Path) -> None:
    (tmp_path / "packages/app-misc").mkdir(parents=True)
    assert run(tmp_path, b"go\n", str(tmp_path / "packages")).stdout.endswith(b"['app-misc']\n")


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("import atexit; atexit.register(print, 'the end')", 0, b"the end\n"),
        ("import sys; print('x', end=''); sys.exit()", 0, b"x"),
        ("import sys; sys.exit('why')", 1, b"why\n"),
        ("raise ValueError('why')", 1, b"ValueError: why\n"),
    ],
)
def test_it_ends_as_python_would_have_ended(tmp_path: Path, text: str, status: int, said: bytes) -> None:
    done = run(tmp_path, b"go\n", text=text)
    assert done.returncode == status
    assert (done.stdout + done.stderr).endswith(said)

"""Portage imports every drop-in in each of its programs: none may end one, also if its error cannot be printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testkit.environments import CHECKOUT


@pytest.mark.parametrize("name", ["portage_ext", "pick", "pypi"])
@pytest.mark.parametrize("stderr", ["a pipe", "full", "closed"])
def test_a_drop_in_that_fails_ends_no_program(tmp_path: Path, name: str, stderr: str) -> None:
    for package in ("portage_ext", "portage"):
        (tmp_path / f"{package}.py").write_text("raise SystemExit(3)\n")
    program = "import runpy; runpy.run_path({!r}); print('goes on')".format(str(CHECKOUT / "dropin" / name / "__init__.py"))
    redirected = {"a pipe": "", "full": "2>/dev/full", "closed": "2>&-"}[stderr]
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "goes on\n"), done.stderr
    assert len(done.stderr.splitlines()) == (stderr == "a pipe")

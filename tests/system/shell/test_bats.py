"""The bats files of this folder: bash is tested in bash.

A test here runs several of theirs one after the other: each start of bats reads a whole file line by line, in bash.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testkit import environments, keys, requirements

HERE = Path(__file__).parent
TOGETHER = 7
"""So many are run by one bats: few starts, and still enough tests for several workers."""


def _groups(file: Path) -> Iterator[tuple[str, list[str]]]:
    """The tests of ``file`` in groups, with the mark of each. A line of bats' own marks what make test-slow runs."""
    found = re.findall(r'^(# bats test_tags=slow\n)?@test "(.*)" \{$', file.read_text(), re.M)
    for mark in ("", "slow"):
        names = [name for tag, name in found if bool(tag) == bool(mark)]
        # These are long, and make test-setup chooses them by their name.
        yield from ((mark, [name]) for name in names if name.startswith("interrupted"))
        others = [name for name in names if not name.startswith("interrupted")]
        yield from ((mark, others[place : place + TOGETHER]) for place in range(0, len(others), TOGETHER))


TESTS = [
    pytest.param(file.name, names, id=f"{file.name}: {'; '.join(names)}", marks=[pytest.mark.slow] if mark else [])
    for file in sorted(HERE.glob("*.bats"))
    for mark, names in _groups(file)
]


@pytest.fixture(scope="session")
def given() -> Iterator[dict[str, str]]:
    """A gpg home with a key, that key in a file, and a folder to work in."""
    with tempfile.TemporaryDirectory(prefix="pe-", ignore_cleanup_errors=True) as name:
        key = keys.new_key(Path(name) / "home")
        (Path(name) / "public.asc").write_bytes(key.public())
        work = Path(name) / "work"
        work.mkdir()
        work.parent.chmod(0o755)
        yield {"KEYS": name, "FINGERPRINT": key.fingerprint, "WORK": str(work)}
        keys.kill_agents(key.home)


@pytest.mark.skipif(requirements.find("bats") is None, reason="bats is not installed")
@pytest.mark.parametrize(("file", "names"), TESTS)
def test_bats(file: str, names: list[str], given: dict[str, str]) -> None:
    more = {
        "CHECKOUT": str(environments.CHECKOUT),
        "PORTAGE_BIN": str(environments.environment().bin),
        "PLAIN_BIN": str(environments.environment(plugin=False).bin),
        **given,
    }
    command = ["bats", "--tap", "--filter", f"^({'|'.join(map(re.escape, names))})$", str(HERE / file)]
    done = subprocess.run(command, env=os.environ | more, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"1..{len(names)}\n"), done.stdout

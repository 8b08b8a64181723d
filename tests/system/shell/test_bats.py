"""The bats files of this folder, one test for each of theirs: bash is tested in bash."""

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
# A line of bats' own marks what make test-slow runs.
TESTS = [
    pytest.param(file.name, name, id=f"{file.name}: {name}", marks=[pytest.mark.slow] if tag else [])
    for file in sorted(HERE.glob("*.bats"))
    for tag, name in re.findall(r'^(# bats test_tags=slow\n)?@test "(.*)" \{$', file.read_text(), re.M)
]


@pytest.fixture(scope="session")
def signing() -> Iterator[dict[str, str]]:
    """A gpg home with a key, and that key in a file."""
    with tempfile.TemporaryDirectory(prefix="pe-", ignore_cleanup_errors=True) as name:
        key = keys.new_key(Path(name) / "home")
        (Path(name) / "public.asc").write_bytes(key.public())
        yield {"KEYS": name, "FINGERPRINT": key.fingerprint}
        keys.kill_agents(key.home)


@pytest.mark.skipif(requirements.find("bats") is None, reason="bats is not installed")
@pytest.mark.parametrize(("file", "name"), TESTS)
def test_bats(file: str, name: str, signing: dict[str, str]) -> None:
    more = {
        "CHECKOUT": str(environments.CHECKOUT),
        "PORTAGE_BIN": str(environments.environment().bin),
        "PLAIN_BIN": str(environments.environment(plugin=False).bin),
        **signing,
    }
    command = ["bats", "--tap", "--filter", f"^{re.escape(name)}$", str(HERE / file)]
    done = subprocess.run(command, env=os.environ | more, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("1..1\n"), done.stdout

"""Whatever of Portage a part relies on is spoilt: `check` and emerge name what is off and why, and everything else goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portage_ext.emerge.parts import PARTS
from tests.testkit.environments import CHECKOUT
from tests.testkit.spoiling import NAMED

SHARES = 3
"""In how many processes the expectations are spoilt, side by side."""


def spoilt(directory: Path, share: int) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.testkit.spoiling", str(directory), str(share), str(SHARES)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: list[dict[str, Any]] = json.loads(done.stdout)
    assert {one["what"]: one["failed"] for one in seen if "failed" in one} == {}
    return seen


def test_each_part_and_command_expects_something() -> None:
    assert [name for name, one in NAMED.items() if not one.expected] == []


@pytest.mark.parametrize("share", range(SHARES))
def test_each_expectation_that_is_spoilt_is_named_and_the_rest_goes_on(work: Path, share: int) -> None:
    whole, *seen = spoilt(work, share)
    assert whole["told"] == [] or "has no portage_ext" in whole["told"][0]
    assert whole["said"] == []
    assert set(whole["begun"]) == {part.name for part in PARTS} - {"seam"}
    assert seen
    for one in seen:
        # A Portage that is spoilt so badly that it fails by itself takes parts with it; they are told, too.
        texts = [*one["told"], *(text.removeprefix("portage-ext: ") for text in one["said"])]
        lost = {part.name for part in PARTS if any(text.startswith(f"{part.loss}: ") for text in texts)}
        assert set(one["begun"]) == set(whole["begun"]) - lost, one
        assert one["relying"], one
        for name in one["relying"]:
            loss = NAMED[name].loss
            findings = [text for text in one["told"] if text.startswith(f"{loss}: ")]
            assert len(findings) == 1, (name, one)
            if name in whole["begun"]:
                lines = [text for text in one["said"] if text.startswith(f"portage-ext: {loss}: ")]
                assert len(lines) == 1, (name, one)
                assert findings[0] in lines[0], (name, one)

"""Whatever of Portage a part relies on is spoilt: `check` and emerge name what is off and why, and everything else goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from portage_ext.emerge.parts import PARTS
from tests.testkit.environments import CHECKOUT
from tests.testkit.spoiling import NAMED


def spoilt(directory: Path, name: str) -> dict[str, dict[str, list[str]]]:
    command = [sys.executable, "-m", "tests.testkit.spoiling", str(directory), name]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, dict[str, list[str]]] = json.loads(done.stdout)
    assert {what: one["failed"] for what, one in seen.items() if "failed" in one} == {}
    assert len(seen) > 1
    return seen


@pytest.mark.parametrize("name", NAMED)
def test_each_expectation_that_is_spoilt_is_named_and_the_rest_goes_on(work: Path, name: str) -> None:
    seen = spoilt(work, name)
    whole = seen.pop("nothing")
    loss = NAMED[name].loss
    assert whole["told"] == [] or "has no portage_ext" in whole["told"][0]
    assert whole["said"] == []
    assert set(whole["begun"]) == {part.name for part in PARTS} - {"seam"}
    for what, one in seen.items():
        (finding,) = [text for text in one["told"] if text.startswith(f"{loss}: ")]
        # A Portage that is spoilt so badly that it fails by itself takes parts with it; they are told, too.
        texts = [*one["told"], *(text.removeprefix("portage-ext: ") for text in one["said"])]
        lost = {part.name for part in PARTS if any(text.startswith(f"{part.loss}: ") for text in texts)}
        assert set(one["begun"]) == set(whole["begun"]) - lost, (what, one)
        if name in whole["begun"]:
            (line,) = [text for text in one["said"] if text.startswith(f"portage-ext: {loss}: ")]
            assert finding in line, what

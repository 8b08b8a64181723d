"""Differential tests: hypothesis draws examples, and a Portage of each version says in its own process what it makes of them.

Their names contain "differential": ``make test-differential`` runs them with more examples.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import hypothesis

from tests.testkit.roots import Root

_LEAST = 400


def drawn(strategy: hypothesis.strategies.SearchStrategy[Any]) -> list[Any]:
    """As many examples of ``strategy`` as the profile asks for."""
    found: list[Any] = []

    @hypothesis.settings(max_examples=max(_LEAST, hypothesis.settings().max_examples), database=None)
    @hypothesis.given(strategy)
    def take(example: Any) -> None:
        found.append(example)

    take()
    return found


def answers(root: Root, script: str, examples: list[Any]) -> Any:
    """What ``script`` prints as JSON. It runs with the Python of ``root`` and is given ``examples`` as a file of JSON."""
    with tempfile.TemporaryDirectory(prefix="pe-") as directory:
        file = Path(directory) / "examples"
        file.write_text(json.dumps(examples))
        return json.loads(root.run("python3", "-c", script, str(file)).ok().stdout)

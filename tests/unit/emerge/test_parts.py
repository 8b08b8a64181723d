"""Whatever of Portage a part relies on is spoilt: `check` and emerge name what is off and why, and everything else goes on."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.emerge.parts import PARTS
from portage_ext.explain.supported import COMMANDS
from tests.testkit.environments import CHECKOUT
from tests.unit.emerge.spoiling import NAMED


def spoilt(directory: Path, name: str) -> dict[str, dict[str, list[str]]]:
    command = [sys.executable, "-m", "tests.unit.emerge.spoiling", str(directory), name]
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


def test_every_loss_is_told_by_one_sentence_of_its_own() -> None:
    losses = [one.loss for one in (*PARTS, *COMMANDS)]
    assert len(set(losses)) == len(losses)


ROOMS = ("emerge", "explain", "host")
PYTHONS_OWN = {"_exit"}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((CHECKOUT / "portage_ext").rglob("*.py")):
        yield path, ast.parse(path.read_text())


def declared() -> Iterator[str]:
    for one in NAMED.values():
        for expected in one.expected:
            module, _, below = expected.path.partition(":")  # type: ignore[attr-defined]
            yield module.rpartition(".")[2]
            yield from below.split(".")
            yield from getattr(expected, "used", ())
            yield from getattr(expected, "parameters", ())


def ours(module: ast.Module) -> Iterator[str]:
    """The names that a module defines."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            yield node.attr


def test_every_private_name_of_portages_that_is_used_is_declared() -> None:
    own = {name for _, module in modules() for name in ours(module)}
    used = {
        node.attr
        for path, module in modules()
        if path.parent.name in ROOMS
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith(("__", "_portage_ext"))
    }
    assert used - own - set(declared()) - PYTHONS_OWN == set()


def test_only_patching_sets_what_is_portages() -> None:
    for path, module in modules():
        foreign = {
            alias.asname or alias.name
            for node in ast.walk(module)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
            if (getattr(node, "module", None) or alias.name).partition(".")[0] in ("portage", "_emerge")
        }
        for node in ast.walk(module):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
                assert ast.unparse(node.value).partition(".")[0] not in foreign, f"{path}:{node.lineno}"
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "delattr"):
                assert ast.unparse(node.args[0]).partition(".")[0] not in foreign, f"{path}:{node.lineno}"

"""Every part declares what it relies on in Portage, and only patching changes it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from portage_ext.emerge.parts import PARTS
from portage_ext.explain.supported import COMMANDS
from tests.testkit.environments import CHECKOUT
from tests.testkit.spoiling import NAMED


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

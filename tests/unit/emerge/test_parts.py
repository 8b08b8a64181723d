"""Every part declares what it relies on in Portage, and only patching changes it."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from portage_ext.emerge.parts import PARTS
from portage_ext.explain.supported import COMMANDS
from tests.testkit import parsed
from tests.testkit.environments import CHECKOUT
from tests.testkit.spoiling import NAMED


def test_every_loss_is_told_by_one_sentence_of_its_own() -> None:
    losses = [*(part.loss for part in PARTS), *(command.loss for command in COMMANDS)]
    assert len(set(losses)) == len(losses)


ROOMS = ("emerge", "explain", "host")
PYTHONS_OWN = {"_clear", "_current_frames", "_exit"}


def modules(pattern: str, rooms: Collection[str] = ("",)) -> Iterator[tuple[Path, list[ast.AST]]]:
    """Each module of ``rooms``, or of the package, in which ``pattern`` is, with all of its nodes. Parsing all takes long."""
    package, wanted = CHECKOUT / "portage_ext", re.compile(pattern)
    for path in sorted(path for place in rooms for path in (package / place).rglob("*.py")):
        if wanted.search(path.read_text()):
            yield path, parsed.nodes(path)


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def first_name(node: ast.expr) -> str:
    """``a`` of ``a.b().c[d].e``; empty where it begins with something else."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return name_of(node)


def declared() -> Iterator[str]:
    for one in NAMED.values():
        for expected in one.expected:
            module, _, below = expected.path.partition(":")  # type: ignore[attr-defined]
            yield module.rpartition(".")[2]
            yield from below.split(".")
            yield from getattr(expected, "used", ())
            yield from getattr(expected, "parameters", ())


def ours(nodes: list[ast.AST]) -> Iterator[str]:
    """The names that a module defines."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and name_of(node.value) == "self":
            yield node.attr


def test_every_private_name_of_portages_that_is_used_is_declared() -> None:
    used = {
        node.attr
        for _, nodes in modules(r"\.\s*_", ROOMS)
        for node in nodes
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith(("__", "_portage_ext"))
    }
    foreign = used - set(declared()) - PYTHONS_OWN
    defining = rf"\b(?:{'|'.join(foreign)})\b"
    assert foreign - {name for _, nodes in modules(defining) for name in ours(nodes)} == set()


def test_only_patching_sets_what_is_portages() -> None:
    for path, nodes in modules(r"\b(?:from|import)\s[^\n]*\b(?:portage|_emerge)\b"):
        foreign = {
            alias.asname or alias.name
            for node in nodes
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
            if (getattr(node, "module", None) or alias.name).partition(".")[0] in ("portage", "_emerge")
        }
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
                assert first_name(node.value) not in foreign, f"{path}:{node.lineno}"
            if isinstance(node, ast.Call) and name_of(node.func) in ("setattr", "delattr"):
                assert first_name(node.args[0]) not in foreign, f"{path}:{node.lineno}"

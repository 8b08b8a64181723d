"""The house rules that a machine can hold: one way for imports, one door to Portage, one idea a module, no machine's path."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
MODULES = sorted((CHECKOUT / "portage_ext").rglob("*.py"))

# Each stage may import those before it, and itself.
ORDER = ("model", "elf", "config", "policy", "gpkg", "index", "trust", "repo", "fetch", "host", "hooks", "cli")
EVERYWHERE = {"errors", "limits", "files", ""}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def stage(path: Path) -> str:
    parts = path.relative_to(CHECKOUT / "portage_ext").parts
    return parts[0] if len(parts) > 1 else parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(CHECKOUT)))
def test_portage_is_imported_in_host_alone(path: Path) -> None:
    if stage(path) != "host":
        assert {name.split(".")[0] for name in imports(path)}.isdisjoint({"portage", "_emerge"})


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(CHECKOUT)))
def test_imports_run_one_way(path: Path) -> None:
    own = stage(path)
    if own in ORDER:
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "portage_ext" and len(parts) > 1 and parts[1] in ORDER:
                assert ORDER.index(parts[1]) <= ORDER.index(own), f"{path}: {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(CHECKOUT)))
def test_module_opens_with_its_rule_and_has_one_idea(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), path
    assert text.count("\n") <= 400, path


def test_no_path_of_a_machine_and_nothing_left_open() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split("\n")
    machine = re.compile(r"(?:^|[^\w.-])/" + r"(?:work|farm|root|home/\w+)/")
    left_open = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    for name in filter(None, listed):
        path = CHECKOUT / name
        if name == "LICENSE" or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        assert not machine.search(text), name
        if name.startswith(("portage_ext/", "bashrc.d/", "dropin/")):
            assert not left_open.search(text), name

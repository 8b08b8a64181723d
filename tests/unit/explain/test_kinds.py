"""One table of reasons: the documentation has its lines, the code has no other kinds, and every row is used."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from portage_ext.explain import kinds

CHECKOUT = Path(__file__).parents[3]
EXPLAIN = CHECKOUT / "portage_ext/explain"


def modules() -> Iterator[ast.Module]:
    for path in EXPLAIN.rglob("*.py"):
        if path.name != "kinds.py":
            yield ast.parse(path.read_text())


def test_the_documentation_is_the_table() -> None:
    page = (CHECKOUT / "docs/explaining.md").read_text()
    shown = page.partition("| reason | what it means |\n|---|---|\n")[2].partition("\n\n")[0]
    assert shown == kinds.documentation().rstrip("\n"), "write kinds.documentation() there"


def test_every_reason_in_the_code_is_a_row() -> None:
    made = {
        node.args[0].value
        for module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("Reason", "Mask")
        and isinstance(node.args[0], ast.Constant)
    }
    assert made
    assert made <= set(kinds.ROWS)


def test_every_row_is_used() -> None:
    words = {node.value for module in modules() for node in ast.walk(module) if isinstance(node, ast.Constant)}
    assert set(kinds.ROWS) <= words


def test_rows_are_told_apart() -> None:
    assert len(kinds.ROWS) == len(kinds.TABLE)
    assert not [word for word, count in Counter(row.word for row in kinds.TABLE).items() if count > 1]
    assert all(row.means and "|" not in row.means for row in kinds.TABLE)


def test_every_objector_is_a_module_and_every_module_an_objector() -> None:
    named = {row.objector for row in kinds.TABLE if row.objector}
    assert named == {path.stem for path in (EXPLAIN / "objectors").glob("*.py")} - {"__init__"}

"""Holds a value to a JSON schema of docs/schemas, as far as those schemas go; a keyword that is not known here is an error.

``Root.run`` gives every line that a command printed with --json to ``hold_lines``, so that no test can forget it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.testkit.environments import CHECKOUT

SCHEMAS: Final = CHECKOUT / "docs/schemas"
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "array": (list,), "boolean": (bool,), "integer": (int,), "null": (type(None),), "number": (int, float), "object": (dict,),
    "string": (str,),
}  # fmt: skip
_KNOWN: Final = {
    "$schema", "title", "$defs", "$ref", "type", "enum", "anyOf", "items", "properties", "required", "additionalProperties",
}  # fmt: skip


def hold(name: str, value: Any) -> None:
    """Raise AssertionError when ``value`` is not as docs/schemas/``name``.json says."""
    schema = load(f"{name}.json")
    problems = _problems(schema, schema, value, name)
    assert not problems, "\n".join(problems)


def hold_lines(words: Sequence[str], printed: str) -> None:
    """Hold each line that a command line printed to the schema of its command. What is no portage-ext with --json passes."""
    if Path(words[0]).name != "portage-ext" or "--json" not in words or "--print" in words:
        return
    for line in printed.splitlines():
        hold(name_of(words[1:]), json.loads(line))


def name_of(words: Sequence[str]) -> str:
    """The schema of a command by its words: that of ``trust list`` is trust-list."""
    below = "-".join(words[:2])
    return below if (SCHEMAS / f"{below}.json").is_file() else words[0]


def load(file: str) -> Any:
    """A schema by the name of its file."""
    return json.loads((SCHEMAS / file).read_text())


def _problems(root: Any, schema: Any, value: Any, where: str) -> list[str]:
    assert set(schema) <= _KNOWN, f"{where}: {set(schema) - _KNOWN}"
    if "$ref" in schema:
        file, _, inside = schema["$ref"].partition("#/$defs/")
        root = load(file) if file else root
        return _problems(root, root["$defs"][inside] if inside else root, value, where)
    if "anyOf" in schema:
        # The form that fits best says most clearly what is wrong; that there is something is never wrong with "or null".
        forms = [one for one in schema["anyOf"] if value is None or one != {"type": "null"}]
        return min((_problems(root, one, value, where) for one in forms), key=len)
    if "enum" in schema and not any(one == value and type(one) is type(value) for one in schema["enum"]):
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(_is(value, name) for name in names):
        return [f"{where}: {value!r} is no {' or '.join(names)}"]
    found: list[str] = []
    if isinstance(value, list):
        for number, one in enumerate(value):
            found += _problems(root, schema.get("items", {}), one, f"{where}[{number}]")
    if isinstance(value, dict):
        known, more = schema.get("properties", {}), schema.get("additionalProperties", {})
        found += [f"{where}: {key} is missing" for key in schema.get("required", []) if key not in value]
        for key, one in value.items():
            if key in known or more is not False:
                found += _problems(root, known.get(key, more), one, f"{where}.{key}")
            else:
                found.append(f"{where}: {key} is not described")
    return found


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))

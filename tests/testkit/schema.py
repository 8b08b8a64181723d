"""Holds a value to a JSON schema of docs/schemas, as far as those schemas go; a keyword that is not known here is an error."""

from __future__ import annotations

import json
from typing import Any

from tests.testkit.environments import CHECKOUT

_TYPES: dict[str, tuple[type, ...]] = {
    "array": (list,), "boolean": (bool,), "integer": (int,), "null": (type(None),), "number": (int, float), "object": (dict,),
    "string": (str,),
}  # fmt: skip
_KNOWN = {
    "$schema", "title", "$defs", "$ref", "type", "enum", "anyOf", "items", "properties", "required", "additionalProperties",
}  # fmt: skip


def hold(name: str, value: Any) -> None:
    """Raise AssertionError when ``value`` is not as docs/schemas/``name``.json says."""
    schema = json.loads((CHECKOUT / "docs/schemas" / f"{name}.json").read_text())
    problems = _problems(schema, schema, value, name)
    assert not problems, "\n".join(problems)


def _problems(root: Any, schema: Any, value: Any, where: str) -> list[str]:
    assert set(schema) <= _KNOWN, f"{where}: {set(schema) - _KNOWN}"
    if "$ref" in schema:
        return _problems(root, root["$defs"][schema["$ref"].rpartition("/")[2]], value, where)
    if "anyOf" in schema:
        each = [_problems(root, one, value, where) for one in schema["anyOf"]]
        return [] if not all(each) else each[0]
    if "enum" in schema and value not in schema["enum"]:
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

"""What commands print for programs: each has its schema, and a schema that nobody can ask for is none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from portage_ext.cli import completion, main, objects
from tests.testkit import schema


def asked() -> set[str]:
    """The names of the schemas that the commands with --json must have."""
    return {
        "-".join(one.path)
        for one in completion.described(main.whole_parser())
        if any("--json" in option.names for option in one.options)
    }


def forms(file: str, one: Any) -> Iterator[Any]:
    """Every object that a schema describes, those it takes from other files left out."""
    if isinstance(one, dict):
        if one.get("type") == "object" or "properties" in one:
            yield one
        for value in one.values():
            yield from forms(file, value)
    elif isinstance(one, list):
        for value in one:
            yield from forms(file, value)


def test_every_command_with_json_has_a_schema_and_the_reverse() -> None:
    assert {path.stem for path in schema.SCHEMAS.glob("*.json")} == asked()


def test_the_help_of_json_is_one() -> None:
    helps = {
        option.help for one in completion.described(main.whole_parser()) for option in one.options if "--json" in option.names
    }
    assert len(helps) == 1


@pytest.mark.parametrize("path", sorted(schema.SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_a_schema_is_named_after_its_command_and_strict(path: Any) -> None:
    document = schema.load(path.name)
    title = re.fullmatch(r"portage-ext ([a-z -]+) --json", document["title"])
    assert title is not None
    assert title[1].replace(" ", "-") == path.stem
    for form in forms(path.name, document):
        assert "additionalProperties" in form
        if "properties" in form:
            assert form["additionalProperties"] is False


def test_an_object_is_one_line_of_ascii_with_the_format_first(capsys: pytest.CaptureFixture[str]) -> None:
    objects.show({"what": "\u00e9\n"})
    text = capsys.readouterr().out
    assert text.isascii()
    assert text.count("\n") == 1
    assert json.loads(text) == {"format": 1, "what": "\u00e9\n"}
    assert text.startswith('{"format": 1, ')

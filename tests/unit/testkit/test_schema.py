"""The schemas can be failed: each of these answers is refused."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from tests.testkit import schema

ANSWER: dict[str, Any] = {
    "format": 1,
    "binrepos": [],
    "unknown": ["lab"],
    "said": [],
    "resolved": True,
    "packages": [
        {
            "cpv": "app-misc/a-1",
            "slot": "0",
            "repository": "tiny",
            "taken": "ebuild",
            "build_seconds": None,
            "masks": [],
            "candidates": [],
        }
    ],
    "summary": {"packages": 1, "binaries": 0, "without_candidate": 0, "unknown": 1, "reasons": {"use": 1}, "change": None},
}


LAG = {"channel": "staging", "here": 2, "there": None, "seconds": 5}
MIRROR = {"format": 1, "mirror": "near", "error": None, "behind": [LAG], "pushed": None}
LISTED = {
    "release": 1,
    "channel": "staging",
    "live": True,
    "created": 1,
    "expires": 2,
    "packages": 3,
    "carried": 0,
    "content": 1,
    "deltas": None,
}


def test_an_answer_that_is_as_described() -> None:
    schema.hold("why", ANSWER)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("format",), 2, "2 is none of"),
        (("resolved",), 1, "1 is no boolean"),
        (("unknown",), [1], "unknown[0]: 1 is no string"),
        (("more",), 1, "more is not described"),
        (("packages", 0, "taken"), "source", "'source' is none of"),
        (("summary", "reasons", "use"), True, "True is no integer"),
        (("summary", "change"), {}, "key is missing"),
    ],
)
def test_an_answer_that_is_not(path: tuple[Any, ...], value: Any, words: str) -> None:
    wrong: Any = deepcopy(ANSWER)
    inner = wrong
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(AssertionError) as caught:
        schema.hold("why", wrong)
    assert words in str(caught.value)


def test_what_a_command_printed_is_held_to_the_schema_of_its_words() -> None:
    schema.hold_lines(("/usr/bin/portage-ext", "mirror", "near", "--json"), json.dumps(MIRROR) + "\n")
    schema.hold_lines(("portage-ext", "mirror", "near"), "near: up to date\n")
    schema.hold_lines(("portage-ext", "compare", "--print", "--json"), "{\n}\n")
    with pytest.raises(AssertionError, match="behind is missing"):
        schema.hold_lines(("portage-ext", "mirror", "--json"), json.dumps({**MIRROR, "behind": []}).replace("behind", "late"))
    with pytest.raises(AssertionError, match="targets is missing"):
        schema.hold_lines(("portage-ext", "target", "list", "--json"), '{"format": 1}')
    with pytest.raises(ValueError, match="Expecting value"):
        schema.hold_lines(("portage-ext", "mirror", "--json"), "near: up to date\n")


def test_a_form_of_another_file_counts_with_its_own_definitions() -> None:
    told = {"format": 1, **LISTED, "origin": "PKGDIR", "held": {"release": 1, "since": 2, "by": "root"}, "waiting": None}
    schema.hold("releases", told)
    with pytest.raises(AssertionError, match=r"held: by is missing"):
        schema.hold("releases", told | {"held": {"release": 1, "since": 2}})


def test_what_fits_no_form_is_told_by_the_closest() -> None:
    with pytest.raises(AssertionError, match=r"^publish: live is missing$"):
        schema.hold("publish", {"format": 1, "channel": "a", "published": False, "staging": "/s", "findings": []})

"""The schemas can be failed: each of these answers is refused."""

from __future__ import annotations

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

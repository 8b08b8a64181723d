"""What a builder says of itself is read as a stranger's text."""

from __future__ import annotations

import json

import pytest

from portage_ext.errors.swarm import LabelsError
from portage_ext.limits import swarm as bounds
from portage_ext.swarm.labels import Labels, parse

WHOLE = Labels(
    "x86_64", "A CPU", frozenset({"avx2", "sse4_2"}), 3, 8, 2**34, 2**38, 0.5, {"laptop": "ab" * 32}, "it is draining"
)


def test_what_was_emitted_is_read() -> None:
    assert parse(WHOLE.emit(), "b1") == WHOLE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "portage-ext-labels-2"),
        ("features", ["AVX2"]),
        ("features", "avx2"),
        ("targets", {"laptop": "short"}),
        ("targets", {"../x": "ab" * 32}),
        ("targets", ["laptop"]),
        ("memory", -1),
        ("memory", True),
        ("level", 5),
        ("load", float("inf")),
        ("closed", "two\nlines"),
        ("closed", "x" * (bounds.TEXT + 1)),
        ("machine", None),
    ],
)
def test_anything_else_is_refused_by_name(name: str, value: object) -> None:
    text = json.dumps({**json.loads(WHOLE.emit()), name: value})
    with pytest.raises(LabelsError, match="the labels of builder b1 cannot be used"):
        parse(text, "b1")


@pytest.mark.parametrize("text", ["", "[]", "null", "[" * 10_000, " " * (bounds.LABELS + 1)])
def test_no_document_is_refused(text: str) -> None:
    with pytest.raises(LabelsError):
        parse(text, "b1")


def test_a_builder_cannot_say_whose_it_is() -> None:
    text = json.dumps(json.loads(Labels().emit()) | {"group": "office", "name": "b2"})
    assert parse(text, "b1") == Labels()

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portage_ext import limits
from portage_ext.errors import InvalidBuilderError, UnreadableBuilderError
from portage_ext.model.builder import Builder, binding, bound_size, parse

words = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
texts = st.lists(words, max_size=4).map(tuple)
builders = st.builds(
    Builder,
    profile=words,
    chost=words,
    cflags=texts,
    cpu_level=st.integers(0, 4),
    use=texts,
    use_expand=st.dictionaries(words, texts, max_size=3),
    package_use=st.dictionaries(words, texts, max_size=3),
)


@given(builders)
def test_what_is_emitted_is_read_back(builder: Builder) -> None:
    assert parse(builder.emit(), "it") == builder


@given(st.binary(max_size=300))
def test_foreign_bytes_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(InvalidBuilderError):
        parse(data, "it")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("chost", "x\x1b[31mred"),
        ("chost", "two\nlines"),
        ("chost", ["x"]),
        ("chost", "x" * (limits.BUILDER_TEXT + 1)),
        ("cflags", "-O2"),
        ("cflags", ["-O2", 3]),
        ("cpu_level", True),
        ("cpu_level", 12),
        ("use_expand", [["VIDEO_CARDS"]]),
        ("use_expand", {"VIDEO_CARDS": "intel"}),
        ("format", "portage-ext-builder-2"),
    ],
)
def test_a_value_that_cannot_be_is_refused(key: str, value: object) -> None:
    document = json.loads(Builder().emit()) | {key: value}
    with pytest.raises(InvalidBuilderError):
        parse(json.dumps(document).encode(), "it")


def test_a_key_of_a_later_version_is_passed_over_and_an_absent_one_is_empty() -> None:
    assert parse(b'{"format": "portage-ext-builder-1", "chost": "x", "colour": {"a": 1}}', "it") == Builder(chost="x")


def test_an_endless_one_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(InvalidBuilderError, match="larger than"):
        parse(b"[" * (limits.BUILDER_SIZE + 1), "it")
    with pytest.raises(InvalidBuilderError):
        parse(b"[" * limits.BUILDER_SIZE, "it")


@pytest.mark.parametrize(
    "text", ["", "builder.json -1", "../x 5", binding(b"x").replace("builder", "other"), "builder.json 9" * 9]
)
def test_a_binding_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidBuilderError):
        bound_size(text, "it")


def test_a_binding_says_the_size() -> None:
    assert bound_size(binding(b"12345"), "it") == 5


@pytest.mark.parametrize(
    "more",
    [
        {"use": ("x" * (limits.BUILDER_TEXT + 1),)},
        {"world": ("a\nb",)},
        {"package_use": {f"a/b{n}": ("x" * 40,) for n in range(30_000)}},
    ],
)
def test_what_no_client_would_read_is_not_emitted(more: dict[str, Any]) -> None:
    with pytest.raises(UnreadableBuilderError):
        Builder(**more).emit()

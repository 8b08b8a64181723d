"""What is remembered comes back as it was, and damage is never taken for nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from portage_ext import limits
from portage_ext.errors import UsageError
from portage_ext.errors.trust import DamagedStateError
from portage_ext.trust.machine import Seen, counts, forgotten, trusted_keys
from portage_ext.trust.memory import Memory, StateDirectory, checked_name

A, B, C = ("A" * 40, "B" * 40, "C" * 64)
SEEN = Seen(
    "r", "production", 7, 1, "d" * 128, A, frozenset({A, B}), frozenset({A}), frozenset({(B, A), (C, B)}), frozenset({"D" * 40})
)
MEMORY = Memory(SEEN, 9, 8, "e" * 128)


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path, "lab")


def test_memory_comes_back_and_everybody_can_read_it(state: StateDirectory) -> None:
    assert state.load() == Memory()
    for memory in (MEMORY, Memory(None, 0, 8, "e" * 128), Memory(forgotten(frozenset({B}), SEEN)), Memory()):
        state.save(memory)
        assert state.load() == memory
        assert state.memory_file.stat().st_mode & 0o777 == 0o644


def damaged(state: StateDirectory, text: str) -> None:
    state.make_directory()
    state.memory_file.write_text(text)
    with pytest.raises(DamagedStateError) as caught:
        state.load()
    assert len(str(caught.value)) < 1000


NESTED = "[" * 10_000 + "]" * 10_000
NO_MEMORY = [
    "",
    "{",
    "[]",
    "{}",
    "é",
    "1" * 5000,
    NESTED,
    " " * (limits.MEMORY_SIZE + 1),
    '{"a":' * 10_000 + "1" + "}" * 10_000,
]
NO_MEMORY += ['{"format": 3}', '{"format": 0}', '{"format": 1', '{"format": 1, "seen": 1, "expires": 0}']
NO_MEMORY += ['{"format": 2, "seen": ' + NESTED + "}"]


@pytest.mark.parametrize(
    "text",
    NO_MEMORY,
    ids=lambda text: f"{text[:12]} ({len(text)})",
)
def test_damage_is_an_error(state: StateDirectory, text: str) -> None:
    damaged(state, text)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("version", [-5, 0, limits.MAX_RELEASE_VERSION + 1, 10**4000, True, 1.0, "7", None]),
        ("created", [-1, limits.MAX_TIME + 1, 10**400]),
        ("digest", ["", "d", "d" * 129, "D" * 128, 5]),
        ("repository", ["", "R", "../x", "r" * 65, "r\n"]),
        ("channel", ["", "a b", "\x1b[2J"]),
        ("signer", ["", "A" * 39, "a" * 40, A + "\n"]),
        ("keys", [A, [A[:8]], [1], [A.lower()], [f"{number:040X}" for number in range(200)], {A: 1}]),
        ("pins", [None, [""], [f"{number:040X}" for number in range(200)]]),
        ("announced", [[A], [f"{A} {B} {C}"], [f"{A}  {B}"], [f"{number:040X} {A}" for number in range(2000)], [[A, B]]]),
        ("removed", [[f"{number:040X}" for number in range(limits.MAX_REMOVED + 1)], "x"]),
    ],
)
def test_each_value_has_its_shape_and_bounds(state: StateDirectory, key: str, values: list[Any]) -> None:
    state.save(MEMORY)
    for value in values:
        document = json.loads(state.memory_file.read_text())
        document["seen"][key] = value
        damaged(state, json.dumps(document))
        state.save(MEMORY)


@pytest.mark.parametrize("key", ["expires", "timestamp"])
def test_times_are_bounded(state: StateDirectory, key: str) -> None:
    state.save(MEMORY)
    for value in (-1, limits.MAX_TIME + 1, 1e9, None, [1]):
        document = json.loads(state.memory_file.read_text())
        document[key] = value
        damaged(state, json.dumps(document))
        state.save(MEMORY)


def old(state: StateDirectory, **values: object) -> Memory:
    """What is made of a state of format 1."""
    state.save(replace(MEMORY, seen=replace(SEEN, announced=frozenset(), removed=frozenset())))
    document = json.loads(state.memory_file.read_text())
    for key in ("announced", "removed"):
        del document["seen"][key]
    document["format"] = 1
    document["seen"] |= values
    state.memory_file.write_text(json.dumps(document))
    memory = state.load()
    state.save(memory)
    assert state.load() == memory
    return memory


def test_the_old_format_loses_no_version_and_no_key_of_the_one_that_was_pinned(state: StateDirectory) -> None:
    memory = old(state, keys=[B], signer=B)
    assert replace(memory, seen=None) == replace(MEMORY, seen=None)
    assert memory.seen is not None
    assert memory.seen.version == SEEN.version
    assert counts(frozenset({A}), memory.seen)
    assert trusted_keys(frozenset({A}), memory.seen) == {B}
    # Taken out, it takes the other with it.
    assert trusted_keys(frozenset({"F" * 40}), memory.seen) == {"F" * 40}
    assert not counts(frozenset({"F" * 40}), memory.seen)


def test_of_the_old_format_with_several_pins_a_rotated_key_must_be_announced_again(state: StateDirectory) -> None:
    seen = old(state, keys=[A, B], pins=[A, C], signer=B).seen
    assert seen is not None
    assert trusted_keys(frozenset({A, C}), seen) == {A}
    # Its version binds all the same, also under what is left of the pins.
    assert counts(frozenset({A, C}), seen)
    assert counts(frozenset({C}), seen)


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "a\nb", "-x", "x" * 100])
def test_a_name_that_could_lead_elsewhere_is_none(name: str) -> None:
    with pytest.raises(UsageError):
        checked_name(name)


def test_as_many_as_can_be_pinned_may_have_signed(state: StateDirectory) -> None:
    many = frozenset(f"{number:040X}" for number in range(limits.MAX_PINS))
    memory = replace(MEMORY, seen=replace(SEEN, cosigners=many))
    state.save(memory)
    assert state.load() == memory


def test_what_could_not_be_read_again_is_not_written(state: StateDirectory) -> None:
    """As when more keys were taken out of the pins than are remembered: none of them is forgotten for it."""
    key = "A" * 40
    seen = Seen("repo", "production", 1, 1, "0" * 128, key, frozenset({key}), frozenset({key}))
    removed = frozenset(f"{number:040X}" for number in range(limits.MAX_REMOVED))
    state.save(Memory(replace(seen, removed=removed)))
    assert state.load().seen is not None
    with pytest.raises(DamagedStateError, match="removed"):
        state.save(Memory(replace(seen, removed=removed | {"F" * 40})))
    kept = state.load().seen
    assert kept is not None
    assert kept.removed == removed

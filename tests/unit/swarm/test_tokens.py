"""A token lets one machine join, and nobody else may read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.errors import UsageError
from portage_ext.errors.swarm import TokenError
from portage_ext.swarm import tokens
from portage_ext.swarm.tokens import Token

WHOLE = Token("b1", "s" * 43, "ab" * 32)


def test_what_was_emitted_is_read(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(WHOLE.emit())
    path.chmod(0o600)
    assert tokens.read(path) == WHOLE


def test_one_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(WHOLE.emit())
    path.chmod(0o640)
    with pytest.raises(TokenError, match="other users may read this token; run `chmod 600"):
        tokens.read(path)


@pytest.mark.parametrize(
    "text",
    ["", "hello", WHOLE.emit().replace("builder-1", "builder-2"), WHOLE.emit().replace("ab", "AB"), WHOLE.emit() + "more",
     WHOLE.emit().replace("b1 ", "../b1 "), WHOLE.emit().replace("s" * 43, "short")],
)  # fmt: skip
def test_a_damaged_one_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(TokenError, match="token"):
        tokens.read(path)


def test_a_missing_one_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="coordinator add NAME"):
        tokens.read(tmp_path / "token")


@pytest.mark.parametrize("name", ["", "B1", "a b", "-a", "../a", "a" * 64, "Nobody"])
def test_names(name: str) -> None:
    with pytest.raises(UsageError):
        tokens.checked_name(name)


def test_secrets_differ() -> None:
    assert tokens.new_secret() != tokens.new_secret()

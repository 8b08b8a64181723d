"""Which Portages a folder of tests is played with: the newest, or by a variable of its own every one."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.testkit.environments import NEWEST, SUPPORTED


def every(variable: str) -> bool:
    """Somebody asks for all of them."""
    return os.environ.get(variable) == "all"


def played(variable: str) -> tuple[str, ...]:
    """The versions that each scenario is played with."""
    return SUPPORTED if every(variable) else (NEWEST,)


def several(variable: str) -> tuple[str, ...]:
    """For what goes through code of Portage that has changed most: the oldest and the newest at least."""
    return SUPPORTED if every(variable) else (SUPPORTED[0], NEWEST)


def oldest(variable: str) -> list[Any]:
    """As ``several``, for what other tests play with the newest: of these two make test takes the oldest."""
    return list(SUPPORTED) if every(variable) else [SUPPORTED[0], pytest.param(NEWEST, marks=pytest.mark.slow)]


def outermost() -> list[Any]:
    """All that are supported; make test takes the oldest and the newest."""
    between = [pytest.param(version, marks=pytest.mark.slow) for version in SUPPORTED[1:-1]]
    return [SUPPORTED[0], *between, NEWEST]

"""Which Portages a folder of tests is played with: the newest, or by a variable of its own every one."""

from __future__ import annotations

import os

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

"""Which Portages the scenarios are played with: ``make test-toolchain`` plays every one with each."""

from __future__ import annotations

import os

from tests.testkit.environments import SUPPORTED

EVERY_PORTAGE = os.environ.get("TOOLCHAIN_PORTAGES") == "all"
SEVERAL = SUPPORTED if EVERY_PORTAGE else (SUPPORTED[0], SUPPORTED[-1])
"""For what goes through code of Portage that has changed most: the oldest and the newest at least."""

"""Which Portages the scenarios are played with: ``make test-toolchain`` plays every one with each."""

from __future__ import annotations

from tests.testkit import portages

_VARIABLE = "TOOLCHAIN_PORTAGES"
PLAYED = portages.played(_VARIABLE)
SEVERAL = portages.several(_VARIABLE)

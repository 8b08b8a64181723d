"""Fixtures of fetching: the binhost and the client of the attacks."""

from __future__ import annotations

from tests.system.attacks.conftest import address, lab, server, trusted

__all__ = ["address", "lab", "server", "trusted"]

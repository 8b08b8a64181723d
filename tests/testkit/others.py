"""Other users must be able to enter the checkout where a test acts as one of them: not so below /root of a fresh Debian."""

from __future__ import annotations

import os
import stat

from tests.testkit.environments import CACHE, CHECKOUT


def enter() -> None:
    """Skip the test if it runs as root and other users cannot enter the checkout, or where its environments are."""
    if os.getuid() != 0:
        return
    import pytest  # the demo uses the testkit without it

    for place in (CHECKOUT, *CHECKOUT.parents, CACHE, *CACHE.parents):
        if not place.stat().st_mode & stat.S_IXOTH:
            pytest.skip(f"other users cannot enter {place}; clone into another directory to test this, such as /srv")

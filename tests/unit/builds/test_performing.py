"""What was to blame when a build failed: the package, or this host."""

from __future__ import annotations

import pytest

from portage_ext.builds import performing
from portage_ext.builds.cages.isolation import KILLED, Ended

SAID = b" * The ebuild phase 'install' has been killed by signal 9.\n\n * The ebuild phase"


@pytest.mark.parametrize(
    ("ended", "failure"),
    [
        (Ended(1), "package"),
        (Ended(KILLED), "builder"),
        (Ended(1, said=SAID), "builder"),
        (Ended(1, said=SAID.replace(b"9", b"6")), "package"),
        # It was killed because it met a limit.
        (Ended(1, "memory", SAID), "package"),
        (Ended(KILLED, "memory"), "package"),
    ],
)
def test_a_build_that_was_killed_is_no_failure_of_the_package(ended: Ended, failure: str) -> None:
    assert performing._failed(ended, "its build failed", "package").failure == failure

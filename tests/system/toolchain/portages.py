"""Which Portages the scenarios are played with: ``make test-toolchain`` plays every one with each, and with Portage alone.

Every scenario goes wrong under Portage alone. That is seen again when there is another Portage, and not at every change of
ours: ``make test`` shows it of one merge and one removal.
"""

from __future__ import annotations

from tests.testkit import portages

_VARIABLE = "TOOLCHAIN_PORTAGES"
PLAYED = portages.played(_VARIABLE)
OLDEST = portages.oldest(_VARIABLE)
"""For what goes through code of Portage that has changed most."""
ALONE = portages.every(_VARIABLE)
"""Whether scenarios are played with Portage alone, too."""
SIDES = ("plain", "ours") if ALONE else ("ours",)
"""Names of the systems of a scenario: Portage alone, and with the plugin."""

"""The bounds of a swarm; those of everything else stand in ``portage_ext/limits``."""

from __future__ import annotations

from typing import Final

from portage_ext.limits import KIB, MIB

LABELS: Final = 256 * KIB
"""What a builder says of itself."""
TEXT: Final = 400
LINE: Final = 16 * MIB
"""One message between the coordinator and Buildbot's master."""
TOKEN: Final = 4 * KIB
CONNECT: Final = 20.0
"""How long a coordinator may take to answer a builder that joins."""
PROBE: Final = 5.0
"""How often each builder is asked for its labels."""
SILENT: Final = 30.0
"""How long it may take to answer before its connection is cut: with PROBE, a lost builder is noticed within 60 s."""
START: Final = 60.0
"""How long Buildbot's master may take to start."""
ASIDE: Final = 2
"""Failures in a row after which a builder gets no further jobs."""
TICK: Final = 0.5
"""How often the coordinator looks at the ledger."""
STEP: Final = 0.015
"""When handing out took so long, the next jobs are for the next step."""
END: Final = 30.0
"""How long Buildbot may take to end before it is killed."""

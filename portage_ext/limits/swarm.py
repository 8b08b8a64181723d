"""Bounds of a swarm. Sizes are in bytes, times in seconds."""

from __future__ import annotations

from typing import Final

from portage_ext.limits import KIB, MIB

LABELS: Final = 256 * KIB
"""The maximum size of the labels that a builder sends."""
TEXT: Final = 400
LINE: Final = 16 * MIB
"""The maximum size of one message between the coordinator and Buildbot's master."""
TOKEN: Final = 4 * KIB
CONNECT: Final = 20.0
"""How long a joining builder waits for the coordinator to answer."""
PROBE: Final = 5.0
"""The interval at which each builder is asked for its labels."""
SILENT: Final = 30.0
"""How long a builder may take to answer before its connection is closed. With PROBE, a lost builder is noticed within 60 s."""
START: Final = 60.0
"""How long Buildbot's master may take to start."""
ASIDE: Final = 2
"""The number of failures in a row after which a builder gets no more jobs."""
TICK: Final = 0.5
"""The interval at which the coordinator reads the ledger."""
STEP: Final = 0.015
"""The time for assigning jobs in one step. The jobs that remain are assigned in the next step."""
END: Final = 30.0
"""How long Buildbot may take to stop before it is killed."""

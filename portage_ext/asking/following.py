"""Follow requests until all have ended, the deadline is over, or the service is lost for good; the requests stand in any case.

A connection that breaks is made again: a laptop that slept, or a service that was restarted, loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from portage_ext import limits
from portage_ext.asking.protocol import Standing
from portage_ext.asking.service import Service
from portage_ext.config.asking import Asking
from portage_ext.errors.asking import ServiceError


def follow(
    asking: Asking,
    cpvs: Sequence[str],
    told: Callable[[Sequence[Standing]], None],
    *,
    deadline: float,
    connect: Callable[[Asking], Service] = Service,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Standing]:
    """Where ``cpvs`` stand when nothing more is waited for; ``told`` gets it all once a second, and now.

    ``deadline`` in seconds from now. Raises ServiceError, RefusedRequestError, MessageError.
    """
    until = clock() + deadline
    lost: float | None = None
    while True:
        try:
            with connect(asking) as service:
                while True:
                    found = service.state(cpvs)
                    lost = None
                    told(found)
                    if all(one.has_ended for one in found) or clock() >= until:
                        return found
                    sleep(min(limits.ASK_LOOK, max(0.0, until - clock())))
        except ServiceError:
            lost = clock() if lost is None else lost
            if clock() - lost >= limits.ASK_AGAIN or clock() >= until:
                raise
            sleep(limits.ASK_LOOK)

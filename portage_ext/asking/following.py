"""Requests are followed until all have ended, the deadline is over, or the service stays unreachable; the requests remain
queued.

A broken connection is opened again, so nothing is lost if a laptop was asleep or the service was restarted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from portage_ext.asking.protocol import Standing
from portage_ext.asking.service import Service
from portage_ext.config.asking import Asking
from portage_ext.errors.asking import ServiceError
from portage_ext.limits import builds as limits


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
    """Follow ``cpvs`` and return their last states. ``told`` is called with all states now and then once a second.

    ``deadline`` is in seconds from now. Raises ServiceError, RefusedRequestError, MessageError.
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

"""Requests are followed until all have ended, the deadline is over, or the service stays unreachable; the requests remain
queued.

Nothing holds the caller beyond the deadline, also no service that takes a question and hangs. A broken connection is opened
again, so nothing is lost if a laptop was asleep or the service was restarted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from portage_ext.asking.protocol import Standing
from portage_ext.asking.service import Service
from portage_ext.config.asking import Asking
from portage_ext.errors.asking import ServiceError
from portage_ext.limits import builds as limits


def follow(
    asking: Asking,
    known: Sequence[Standing],
    told: Callable[[Sequence[Standing]], None],
    *,
    deadline: float,
    connect: Callable[[Asking], Service] = Service,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Standing]:
    """Follow the packages of ``known``, which are their first states, and return their last states that are known.

    ``told`` is called with all states now and then once a second. ``deadline`` is in seconds from now. Raises ServiceError,
    RefusedRequestError, MessageError before it.
    """
    until = clock() + deadline
    cpvs = [one.cpv for one in known]
    found = list(known)
    lost: float | None = None
    while (left := until - clock()) > 0:
        try:
            with connect(replace(asking, patience=min(asking.patience, left))) as service:
                while (left := until - clock()) > 0:
                    found = service.state(cpvs, min(limits.ASK_ANSWER, left))
                    lost = None
                    told(found)
                    if all(one.has_ended for one in found):
                        return found
                    sleep(min(limits.ASK_LOOK, max(0.0, until - clock())))
        except ServiceError:
            now = clock()
            lost = now if lost is None else lost
            if now < until and now - lost >= limits.ASK_AGAIN:
                raise
            sleep(min(limits.ASK_LOOK, max(0.0, until - now)))
    return found

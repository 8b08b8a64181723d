"""Accepted requests become jobs as soon as the quota of the client allows it; one run of the resolver plans all of a target.

Only one process plans at a time (``door/background`` starts it), and it ends when there is nothing left to plan. The engine
builds and publishes. The package that the environment would build must match the request, flag by flag. If not, the request is
refused, because the client could not use the package.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence

from portage_ext import locks
from portage_ext.builds.key import Job
from portage_ext.builds.workshop import Plan, Workshop
from portage_ext.config.asking import Client
from portage_ext.door.background import LOCK
from portage_ext.door.requests import ACCEPTED, PLANNED, Request, Requests
from portage_ext.errors import PortageExtError
from portage_ext.limits import builds as limits

Asked = tuple[Request, str, int]
"""A request, the client that asked first, and the priority."""


def work(
    shop: Workshop, requests: Requests, clients: Mapping[str, Client], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Plan until nothing is left; return at once if another process is planning. Raises LedgerError, OSError."""
    while requests.waiting():
        with locks.tried(shop.means.places.state / LOCK) as fd:
            if fd is None:
                return
            shop.engine.recover()
            while waiting := requests.waiting():
                if not _planned(shop, requests, clients, waiting):
                    sleep(limits.BUILD_LOOK)


def _planned(shop: Workshop, requests: Requests, clients: Mapping[str, Client], waiting: list[Asked]) -> bool:
    """Plan the requests whose clients may have more running jobs. Returns whether there were any."""
    free = {name: clients[name].running - requests.at_work(name) for _, name, _ in waiting if name in clients}
    chosen: dict[str, list[Asked]] = {}
    for request, client, priority in waiting:
        if free.get(client, 1) > 0:
            free[client] = free.get(client, 1) - 1
            chosen.setdefault(request.target, []).append((request, client, priority))
            continue
        why = f"client {client} has {clients[client].running} jobs at work (running in [client.{client}])"
        if request.reason != why:
            with requests.change():
                requests.settle(request, ACCEPTED, reason=why)
    for target, some in chosen.items():
        _plan(shop, requests, target, some)
    return bool(chosen)


def _plan(shop: Workshop, requests: Requests, target: str, some: list[Asked]) -> None:
    """Plan ``some`` requests of one target together; if that fails, plan each one alone."""
    atoms = tuple(
        dict.fromkeys(f"={one.cpv}:{one.wanted.slot.partition('/')[0]}::{one.wanted.repository}" for one, _, _ in some)
    )
    priority = max(priority for _, _, priority in some)
    try:
        capture = os.readlink(shop.means.targets.directory / target)
        plan = shop.plan(target, atoms)
    except (PortageExtError, OSError) as error:
        if len(some) > 1:
            for one in some:
                _plan(shop, requests, target, [one])
            return
        with requests.change():
            requests.settle(some[0][0], "blocked", reason=" ".join(str(error).split()))
        return
    wanted = {one.job.cpv: one for one in plan.jobs}
    refused = {
        request.id: differs(request, wanted[request.cpv].job if request.cpv in wanted else None) for request, _, _ in some
    }
    if any(refused.values()) and not all(refused.values()):
        # A refused package must not be built, and neither must packages that only it needs.
        for one in some:
            _plan(shop, requests, target, [one])
        return
    entries = [] if any(refused.values()) else shop.request(target, plan, priority=priority, clients=owners(plan, some))
    with requests.change():
        for request, _, _ in some:
            why = refused[request.id]
            key = "" if why else wanted[request.cpv].key
            requests.settle(request, "refused" if why else PLANNED, reason=why, key=key, capture=capture)
    if shop.ledger.shares():
        shop.publish()  # what was built for another target
    shop.engine.submit([entry.key for entry in entries if entry.state == "queued"])


def owners(plan: Plan, some: Sequence[Asked]) -> dict[str, str]:
    """The client for which each job of ``plan`` is built, by key: the first one whose package it is, or whose package needs
    it."""
    jobs = {one.job.cpv: one for one in plan.jobs}
    wanted = [(jobs[request.cpv], client) for request, client, _ in some]
    found = {one.key: client for one, client in reversed(wanted)}
    for one, client in wanted:
        for key in one.needs:
            found.setdefault(key, client)
    return found


def differs(request: Request, job: Job | None) -> str:
    """How the planned build differs from the requested one; empty if it does not."""
    if job is None:
        return f"the target {request.target} would not build {request.cpv}"
    wanted = request.wanted
    slot = job.ebuild.get("slot", "")
    if wanted.slot not in (slot, slot.partition("/")[0]):
        return f"the target {request.target} has it in slot {slot}, and you in {wanted.slot}"
    flags = [
        f"{flag} is {job.use.get(flag, 'absent')} there and {wanted.use.get(flag, 'absent')} here"
        for flag in sorted(wanted.use.keys() | job.use.keys())
        if job.use.get(flag) != wanted.use.get(flag)
    ]
    if flags:
        more = f", and {len(flags) - 5} more" if len(flags) > 5 else ""
        return f"the target {request.target} has other USE flags ({', '.join(flags[:5])}{more}); capture it again there"
    return ""

"""A client can only request packages for its own targets, see its requests, and withdraw them.

The client is identified by the ssh key with which it logged in, never by the content of its messages. Anything else is refused
with a named reason (``Refusal``). A request for several packages is accepted or refused as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from portage_ext import __version__
from portage_ext.asking import protocol
from portage_ext.asking.protocol import Standing, Wanted
from portage_ext.builds.ledger import standing
from portage_ext.builds.ledger.entries import FINAL
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.config.asking import Client
from portage_ext.door import quotas
from portage_ext.door.requests import ACCEPTED, PLANNED, Request, Requests
from portage_ext.errors.asking import MessageError
from portage_ext.targets.store import Store

_MINUTE: Final = 60.0


class Refusal(Exception):  # noqa: N818 - it is an answer
    """A refusal that is sent as the answer: ``kind`` is for programs, ``why`` for people."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind, self.why = kind, why


@dataclass(slots=True)
class Desk:
    """Serves ``client``. ``plan`` starts the planning of accepted requests and does not wait for it."""

    client: Client
    requests: Requests
    ledger: Ledger
    targets: Store
    plan: Callable[[], None]

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """The answer to ``message``. Raises Refusal, MessageError, LedgerError."""
        what = message.get("do")
        if what == protocol.HELLO:
            return {"version": __version__, "client": self.client.name, "targets": list(self.client.targets)}
        if what not in protocol.DONE:
            raise Refusal("unknown", f"this service does not know {str(what)[:64]!r}; it does {', '.join(protocol.DONE)}")
        target = message.get("target")
        if target not in self.client.targets:
            may = ", ".join(self.client.targets)
            raise Refusal("target", f"client {self.client.name} may not ask for target {str(target)[:64]!r}, but for: {may}")
        packages = message.get("packages")
        if not isinstance(packages, list):
            raise MessageError("there is no list of packages")
        if len(packages) > self.client.batch:
            most = f"{self.client.batch} (batch in [client.{self.client.name}])"
            raise Refusal("batch", f"a request has at most {most} packages, and this one has {len(packages)}")
        if what == protocol.REQUEST:
            return self._request(str(target), [protocol.wanted(one) for one in packages], message.get("hurry"))
        cpvs = [str(one) for one in packages]
        found = self.requests.of_client(self.client.name, str(target), cpvs)
        if what == protocol.CANCEL:
            found = [self._withdrawn(one) for one in found if one.cpv in cpvs]
        elif any(one.state == ACCEPTED for one in found):
            self.plan()  # an earlier planning process may have been killed
        return self._told(found)

    def _request(self, target: str, wanted: list[Wanted], hurry: object) -> dict[str, Any]:
        if hurry not in protocol.HURRIES:
            raise MessageError(f"hurry is not one of {', '.join(protocol.HURRIES)}")
        priority = protocol.HURRIES.index(str(hurry)) * 10
        capture = self._capture(target)
        with self.requests.change():
            if not self.requests.spend(self.client.name, self.client.requests / _MINUTE, self.client.requests):
                most = f"{self.client.requests:g} requests a minute (requests-a-minute in [client.{self.client.name}])"
                raise Refusal("rate", f"client {self.client.name} may make {most}; try again in a minute")
            known = [(one, self.requests.find(target, one)) for one in wanted]
            new = [one for one, found in known if found is None or self._is_stale(found, capture)]
            if why := quotas.refusal(self.client, self.requests.usage(self.client.name), len(new)):
                raise Refusal("quota", why)
            found = []
            for one in wanted:
                request = self.requests.add(self.client.name, target, one, priority)
                found.append(self.requests.renew(request) if self._is_stale(request, capture) else request)
        if any(one.state == ACCEPTED for one in found):
            self.plan()
        return self._told(found)

    def _capture(self, target: str) -> str:
        """The name of the current capture of ``target``."""
        try:
            return os.readlink(self.targets.directory / target)
        except OSError:
            raise Refusal("target", f"this service has no target {target}; its administrator makes it") from None

    def _is_stale(self, request: Request, capture: str) -> bool:
        """Whether an ended request could have another result now: the target was captured again, or the package is gone."""
        if request.state != PLANNED:
            return request.state != ACCEPTED
        entry = self.ledger.get(request.key)
        if entry.state == "published":
            if place := self.ledger.place(request.key, request.target):
                return not Path(place).exists()
            # It was built for another target. An older ledger does not know that this one wants it, too.
            return (request.key, request.target) not in {(one.key, one.target) for one in self.ledger.shares()}
        if entry.state == "failed":
            return entry.failure not in FINAL or request.capture != capture
        return entry.state == "cancelled"

    def _withdrawn(self, request: Request) -> Request:
        with self.requests.change():
            if not self.requests.withdraw(self.client.name, request):
                return request  # another client wants it too
            withdrawn = self.requests.settle(request, "cancelled", reason="nobody asks for it any more", key=request.key)
        if request.key and self.ledger.get(request.key).state in ("queued", "running"):
            self.ledger.cancel(request.key)
        return withdrawn

    def _told(self, found: list[Request]) -> dict[str, Any]:
        keys = [one.key for one in found if one.state == PLANNED]
        open_keys = [key for key in keys if self.ledger.get(key).state not in standing.ENDED]
        looked = {one.entry.key: one for one in standing.look(self.ledger, open_keys)} if open_keys else {}
        return {"packages": [protocol.plain(self._standing(one, looked)) for one in found]}

    def _standing(self, request: Request, looked: dict[str, standing.Standing]) -> Standing:
        if request.state != PLANNED:
            reason = request.reason or ("is about to be planned" if request.state == ACCEPTED else "")
            return Standing(request.cpv, request.state, reason)
        one = looked.get(request.key)
        if one is not None:
            return Standing(request.cpv, one.entry.state, one.reason, one.ahead, one.seconds, one.runs)
        entry = self.ledger.get(request.key)
        place = self.ledger.place(request.key, request.target)
        if entry.state == "published" and not place:
            return Standing(request.cpv, "checked", f"was built for {entry.target}, and is about to be copied")
        file = os.path.basename(place)
        return Standing(request.cpv, entry.state, entry.reason, file=file)

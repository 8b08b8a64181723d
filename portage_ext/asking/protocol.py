"""A client and a build service exchange one JSON object per line; the reader limits the length and checks every value.

The client sends requests, each with a number, the action in ``do``, and its values. The service answers each request with the
same number and either ``ok`` or ``refused``. A connection can carry any number of requests. A service only does the actions in
``DONE``::

    {"format": "portage-ext-ask-1", "id": 1, "do": "request", "target": "laptop", "packages": [{"cpv": …}], "hurry": "person"}
    {"format": "portage-ext-ask-1", "id": 1, "ok": {"packages": [{"cpv": …, "state": "queued", "ahead": 3, …}]}}
    {"format": "portage-ext-ask-1", "id": 2, "refused": "quota", "why": "client laptop has 200 packages …"}

A client sends only one ``Wanted`` for each package; nothing else leaves its host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from portage_ext import shown
from portage_ext.errors import InvalidCpvError
from portage_ext.errors.asking import MessageError
from portage_ext.limits import builds as limits
from portage_ext.model.cpv import Cpv

FORMAT: Final = "portage-ext-ask-1"
HELLO: Final = "hello"
REQUEST: Final = "request"
STATE: Final = "state"
CANCEL: Final = "cancel"
DONE: Final = (HELLO, REQUEST, STATE, CANCEL)
BATCH: Final = 500
"""The maximum number of packages that a client puts into one request. A service may accept fewer."""
HURRIES: Final = ("timer", "ask", "person")
"""Who waits for the request, in order of increasing priority: nobody, a run of emerge that does not wait, or a person."""
ENDED: Final = frozenset(("published", "failed", "blocked", "refused", "cancelled"))
STATES: Final = ENDED | {"accepted", "queued", "running", "checked"}
_SLOT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+_.-]{0,63}(?:/[A-Za-z0-9_][A-Za-z0-9+_.-]{0,63})?")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_FLAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_@-]{0,127}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A package as the client would compile it: version, slot, ebuild repository, and each IUSE flag as ``on`` or ``off``."""

    cpv: str
    slot: str
    repository: str
    use: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a request. ``state`` is one of ``STATES``; ``reason`` says why it waits or how it ended.

    ``ahead`` is the number of jobs before it, ``seconds`` the estimated duration from past builds (None: unknown), ``runs`` the
    seconds since its build started (None: it is not being built), ``file`` the name of the published package.
    """

    cpv: str
    state: str
    reason: str = ""
    ahead: int = 0
    seconds: float | None = None
    runs: int | None = None
    file: str = ""

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


def emit(values: Mapping[str, Any]) -> bytes:
    """The JSON line for ``values``."""
    return json.dumps({"format": FORMAT, **values}, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def parse(line: bytes) -> dict[str, Any]:
    """Parse one line to an object. Raises MessageError."""
    if len(line) > limits.ASK_LINE:
        raise MessageError(f"the line is longer than {limits.ASK_LINE} bytes")
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MessageError("the line is not JSON") from error
    if not isinstance(values, dict):
        raise MessageError("the line is not a JSON object")
    if values.get("format") != FORMAT:
        told = shown.line(str(values.get("format"))[:80])
        raise MessageError(
            f"its format is {told}, and this side speaks {FORMAT}; the same version of portage-ext on both sides helps"
        )
    if isinstance(values.get("id"), bool) or not isinstance(values.get("id"), int):
        raise MessageError("it has no number")
    return values


def wanted(value: object) -> Wanted:
    """Parse a package that a client requests. Raises MessageError."""
    if not isinstance(value, dict) or value.keys() != {"cpv", "slot", "repository", "use"}:
        raise MessageError("a package has exactly cpv, slot, repository and use")
    slot, repository, use = value["slot"], value["repository"], value["use"]
    if (
        not isinstance(slot, str)
        or not _SLOT.fullmatch(slot)
        or not isinstance(repository, str)
        or not _NAME.fullmatch(repository)
    ):
        raise MessageError("a package has no slot or no repository")
    if not isinstance(use, dict) or len(use) > limits.ASK_BATCH:
        raise MessageError(f"a package has no table of at most {limits.ASK_BATCH} flags")
    if not all(_FLAG.fullmatch(flag) and said in ("on", "off") for flag, said in use.items()):
        raise MessageError("a flag of a package is neither on nor off")
    return Wanted(_cpv(value["cpv"]), slot, repository, {str(flag): str(said) for flag, said in sorted(use.items())})


def standing(value: object) -> Standing:
    """Parse the state of a package from a service. Raises MessageError."""
    if not isinstance(value, dict) or value.get("state") not in STATES:
        raise MessageError("a package has no state")
    seconds, runs, ahead = value.get("seconds"), value.get("runs"), value.get("ahead", 0)
    for number in (seconds, runs, ahead):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 2**40):
            raise MessageError("a package has a time that is no number")
    return Standing(
        _cpv(value.get("cpv")),
        str(value["state"]),
        shown.line(str(value.get("reason", ""))[: limits.ASK_REASON]),
        int(ahead or 0),
        None if seconds is None else float(seconds),
        None if runs is None else int(runs),
        shown.line(str(value.get("file", ""))[: limits.ASK_REASON]),
    )


def standings(values: Mapping[str, Any]) -> list[Standing]:
    """Parse the states of all packages in an answer. Raises MessageError."""
    packages = values.get("packages")
    if not isinstance(packages, list) or len(packages) > limits.ASK_BATCH:
        raise MessageError("the answer has no list of packages within bounds")
    return [standing(one) for one in packages]


def plain(one: Wanted | Standing) -> dict[str, Any]:
    """Convert to the JSON value that :func:`wanted` or :func:`standing` parses."""
    return asdict(one)


def _cpv(value: object) -> str:
    try:
        return str(Cpv.parse(str(value)[: limits.ASK_REASON]))
    except InvalidCpvError as error:
        raise MessageError(str(error)) from error

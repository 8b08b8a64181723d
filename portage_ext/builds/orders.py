"""A builder gets one order per job and returns one report; both are JSON, and the reader limits and checks every value.

An order names all ingredients of its job. The builder also needs the environment of the target, but neither the ledger nor a
signing key. A report only says how the build ended there. Whether the package is good is decided on the host that gave the
order (``builds/accepting``).
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, cast

from portage_ext import limits
from portage_ext.builds.key import Job, checked_cpv, job
from portage_ext.errors.builds import JobError
from portage_ext.limits import builds as builds_limits
from portage_ext.model.document import table

ORDER: Final = "portage-ext-order-1"
REPORT: Final = "portage-ext-report-1"
Failure = Literal["", "package", "builder", "environment", "checks", "needs", "differs"]
"""What is to blame for a failure: the package, the building host, the environment of the target, the checks of the result,
another job that it needs and that failed, or that groups of builders made different packages. A report never has the last
two."""
FAILURES: Final[tuple[Failure, ...]] = ("", "package", "builder", "environment", "checks")
_DIGEST: Final = re.compile(r"[0-9a-f]{128}")
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+-]{0,63}")


@dataclass(frozen=True, slots=True)
class Addition:
    """A published package that is merged over the environment before the build, with its build id and its digest."""

    cpv: str
    build: int
    blake2b: str


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt at one job: its key and fence, the target in whose environment it is built, and its ingredients."""

    key: str
    fence: int
    target: str
    job: Job
    additions: tuple[Addition, ...] = ()

    def emit(self) -> bytes:
        """The text that :func:`parse` reads."""
        values: dict[str, Any] = {
            "format": ORDER,
            "key": self.key,
            "fence": self.fence,
            "target": self.target,
            "job": json.loads(self.job.emit()),
            "additions": [asdict(one) for one in self.additions],
        }
        return json.dumps(values, sort_keys=True).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Report:
    """How a build ended on the builder: what was to blame (empty: no failure), a sentence, and the duration in seconds."""

    failure: Failure = ""
    reason: str = ""
    seconds: float = 0.0

    def emit(self) -> bytes:
        """The text that :func:`report` reads."""
        return json.dumps({"format": REPORT, **asdict(self)}, sort_keys=True).encode() + b"\n"


def parse(data: bytes, where: str) -> Order:
    """Parse the order in ``data``. Raises JobError, which names ``where``."""
    document = _document(data, ORDER, where)
    key, fence, target = document.get("key"), document.get("fence"), document.get("target")
    if not isinstance(key, str) or not _KEY.fullmatch(key) or not isinstance(target, str) or not _NAME.fullmatch(target):
        raise JobError(where, "the order has no key or no target")
    if isinstance(fence, bool) or not isinstance(fence, int) or not 0 < fence < 2**53:
        raise JobError(where, "the order has no fence")
    additions = document.get("additions")
    if not isinstance(additions, list) or len(additions) > limits.DEPENDENCIES:
        raise JobError(where, "the order has no list of additions within bounds")
    return Order(key, fence, target, job(document.get("job"), where), tuple(_addition(one, where) for one in additions))


def report(data: bytes, where: str) -> Report:
    """Parse the report of a builder in ``data``. Raises JobError, which names ``where``."""
    document = _document(data, REPORT, where)
    failure, reason, seconds = document.get("failure"), document.get("reason"), document.get("seconds")
    if failure not in FAILURES or not isinstance(reason, str) or len(reason) > builds_limits.CAPTURE_TEXT:
        raise JobError(where, "the report does not say how the build ended")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 2**31:
        raise JobError(where, "the report has no number of seconds")
    return Report(cast(Failure, failure), " ".join(reason.split()), float(seconds))


def _document(data: bytes, kind: str, where: str) -> dict[str, Any]:
    try:
        return table(data, kind, builds_limits.JOB_SIZE)
    except ValueError as error:
        raise JobError(where, str(error)) from error


def _addition(value: object, where: str) -> Addition:
    if not isinstance(value, dict) or value.keys() != {"cpv", "build", "blake2b"}:
        raise JobError(where, "an addition of the order has other keys than a package with its digest")
    cpv, build, blake2b = checked_cpv(value["cpv"], where), value["build"], str(value["blake2b"])
    if isinstance(build, bool) or not isinstance(build, int) or not 0 < build < 10**9 or not _DIGEST.fullmatch(blake2b):
        raise JobError(where, f"the addition {cpv} of the order has no build id or no digest")
    return Addition(cpv, build, blake2b)

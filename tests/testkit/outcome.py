"""What a run said it would do, read from emerge's own list, and what it did, read from its log and the vdb."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENTRY = re.compile(
    r"^\[(?P<type>ebuild|binary)\s[^]]*\]\s+(?P<cpv>[^\s:\[]+)(?::(?P<slot>[^\s:\[]+))?(?:::(?P<repo>\S+))?", re.M
)
_BUILD_ID = re.compile(r"-(\d+)$")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished command: ``status`` is the exit status, ``command`` what was run."""

    command: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout + self.stderr

    def ok(self) -> Outcome:
        """Itself, or an AssertionError that shows everything that was printed."""
        assert self.status == 0, str(self)
        return self

    def failed(self) -> Outcome:
        """Itself, or an AssertionError when the command succeeded."""
        assert self.status != 0, str(self)
        return self

    def plan(self) -> dict[str, str]:
        """The list that emerge showed: package name and version to ``ebuild`` or ``binary``, in merge order."""
        plan = {}
        for match in _ENTRY.finditer(self.stdout):
            cpv = match["cpv"]
            if match["type"] == "binary" and _BUILD_ID.search(cpv) and cpv.count("-") > 1:
                cpv = _strip_build_id(cpv)
            plan[cpv] = match["type"]
        return plan

    def binaries(self) -> set[str]:
        """The packages of the plan that come as binaries."""
        return {cpv for cpv, kind in self.plan().items() if kind == "binary"}

    def sources(self) -> set[str]:
        """The packages of the plan that are compiled."""
        return {cpv for cpv, kind in self.plan().items() if kind == "ebuild"}

    def __str__(self) -> str:
        return f"{' '.join(self.command)}\nexit status {self.status}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


def _strip_build_id(cpv: str) -> str:
    """``app-misc/x-1.0-3`` is build 3 of 1.0; ``app-misc/x-1.0`` has no build id."""
    head, _, tail = cpv.rpartition("-")
    return head if tail.isdigit() and re.search(r"-\d[^-]*(-r\d+)?$", head) else cpv

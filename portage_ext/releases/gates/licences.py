"""A public channel has only packages that may be redistributed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from portage_ext.errors.releases import Finding
from portage_ext.releases.gates import Candidate, Context, Missing, described


@dataclass(frozen=True, slots=True)
class LicenceGate:
    """For a public channel: no package with RESTRICT=bindist, and only accepted licences."""

    missing: Missing
    name: str = "licences"

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        for _, entry in candidate.fresh_entries():
            if "bindist" in entry.get("RESTRICT").split():
                yield Finding(self.name, described(entry), "has RESTRICT=bindist, so it must not be redistributed")
            missing = self.missing(entry)
            if missing:
                yield Finding(self.name, described(entry), f"its licence {missing} is not accepted for this channel")


def gate(context: Context) -> LicenceGate | None:
    """The gate ``licences``, for a public channel."""
    return LicenceGate(context.portage.missing_licences(context.rules.licences)) if context.public else None

"""A release brings no package that a GLSA calls vulnerable, unless it also has the version that mends it.

What the live release has too is a warning only: to refuse the release would keep it live. The same goes for a GLSA that cannot
be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from portage_ext.config.publishing import REFUSE
from portage_ext.errors.releases import Finding, GateUnavailableError
from portage_ext.releases.gates import Advisories, Candidate, Context


@dataclass(frozen=True, slots=True)
class GlsaGate:
    """``refuse``: a fresh vulnerable package is an objection, if the release does not mend it; else everything is a warning."""

    advisories: Advisories
    refuse: bool = False
    name: str = "glsa"

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        if not self.advisories:
            if self.refuse:
                raise GateUnavailableError(self.name, "the ebuild repository of this host has no GLSAs (metadata/glsa)")
            return
        contents = candidate.contents
        every = [contents.entry(path) for path in contents.entries]
        fresh = {entry.get("CPV") for _, entry in candidate.fresh_entries()}
        for one in self.advisories.in_release(every, contents.header.get("ARCH", "")):
            also = f"; the release also has {one.offered[-1]}, which mends it" if one.offered else ""
            warning = not self.refuse or bool(one.offered) or one.cpv not in fresh
            yield Finding(self.name, one.cpv, f"is vulnerable: {one}{also}", warning)
        if self.advisories.unread is not None:
            yield Finding(self.name, "metadata/glsa", str(self.advisories.unread), True)


def gate(context: Context) -> GlsaGate:
    """The gate ``glsa``."""
    return GlsaGate(context.portage.advisories(), context.rules.glsa == REFUSE)

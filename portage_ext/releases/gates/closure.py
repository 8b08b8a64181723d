"""Clients can satisfy every runtime dependency of a release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from portage_ext.errors.releases import Finding
from portage_ext.releases.gates import Candidate, Context, Unsatisfied, described


@dataclass(frozen=True, slots=True)
class ClosureGate:
    """Every runtime dependency is satisfiable, by Portage's own rules, from the release or the ebuild repositories."""

    unsatisfied: Unsatisfied
    name: str = "closure"

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        every = [candidate.contents.entry(path) for path in candidate.contents.entries]
        for entry, variable, dependency in self.unsatisfied(every):
            yield Finding(self.name, described(entry), f"{variable} asks for {dependency}, which nothing satisfies")


def gate(context: Context) -> ClosureGate:
    """The gate ``closure``."""
    return ClosureGate(context.portage.unsatisfied(context.rules.provided))

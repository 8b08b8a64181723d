"""What Gentoo's security advisories (GLSAs) say of a package. Only the values; host/glsas.py asks Portage for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advisory:
    """What a GLSA says of the package ``name``: its id, its title, and atoms of the versions that it calls unaffected."""

    glsa: str
    title: str
    name: str
    unaffected: tuple[str, ...]

    @property
    def mended(self) -> str:
        """The versions that mend the package, as ``>=1.2 or >=1.1.3``; empty if none does."""
        return " or ".join(atom.replace(f"{self.name}-", "", 1).strip() for atom in self.unaffected)

    def __str__(self) -> str:
        return f"GLSA {self.glsa} ({self.title}), {f'mended in {self.mended}' if self.mended else 'no version mends it'}"


@dataclass(frozen=True, slots=True)
class Vulnerable:
    """A package by CPV and slot, the GLSAs that call it vulnerable, and the CPVs of its slot that are newer and mended."""

    cpv: str
    slot: str
    advisories: tuple[Advisory, ...]
    offered: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join(map(str, self.advisories))


@dataclass(frozen=True, slots=True)
class Unread:
    """The GLSAs that could not be read, by id and with the reason: what they say is not known."""

    reasons: Sequence[tuple[str, str]]

    def __str__(self) -> str:
        glsa, why = self.reasons[0]
        if len(self.reasons) == 1:
            return f"GLSA {glsa} cannot be read, so it was not checked: {why}"
        return f"{len(self.reasons)} GLSAs cannot be read, so they were not checked; the first is {glsa}: {why}"

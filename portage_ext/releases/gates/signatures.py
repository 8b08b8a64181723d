"""Every package of a release has a signature that clients accept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from portage_ext.errors.releases import Finding
from portage_ext.gpkg.verify import XPAK_UNSIGNED, Judge, Matched, reason, verify_packages
from portage_ext.model import GPKG_SUFFIX
from portage_ext.releases.gates import Candidate, Context


@dataclass(frozen=True, slots=True)
class SignatureGate:
    """Every fresh package has a signature over all of its bytes that ``judge`` accepts.

    Each file is read. Whether its members match its Manifest is taken over for bytes that are in ``matched``.
    """

    judge: Judge
    matched: Matched | None = None
    jobs: int = 0
    name: str = "signatures"

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        signable = [path for path in candidate.fresh if path.endswith(GPKG_SUFFIX)]
        for path in sorted(set(candidate.fresh) - set(signable)):
            yield Finding(self.name, path, XPAK_UNSIGNED)
        paths = [candidate.directory / path for path in signable]
        verdicts = verify_packages(paths, self.judge, jobs=self.jobs, matched=self.matched)
        for file, error in verdicts.items():
            if error is not None:
                yield Finding(self.name, str(file.relative_to(candidate.directory)), reason(error))


def gate(context: Context) -> SignatureGate:
    """The gate ``signatures``."""
    return SignatureGate(context.judge, context.matched)

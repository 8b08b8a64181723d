"""A sample of a release can be merged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from portage_ext.errors.releases import Finding
from portage_ext.index.text import emit_header
from portage_ext.releases.gates import Candidate, Context, Install, Masked


@dataclass(frozen=True, slots=True)
class InstallGate:
    """A sample of the fresh packages is merged by real emerge into a scratch root. The same release gives the same sample.

    A package that the host's own configuration masks says nothing about its clients, and its emerge would not take it: it is
    not in the sample.
    """

    install: Install
    masked: Masked
    sample: int
    name: str = "install"

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        texts = candidate.contents.entries
        chosen: dict[str, str] = {}
        for path in sorted(candidate.fresh, key=lambda path: hashlib.sha256(texts[path]).digest()):
            if len(chosen) == self.sample:
                break
            entry = candidate.contents.entry(path)
            if entry.get("CPV") not in chosen and not self.masked(entry):
                chosen[entry.get("CPV")] = path
        if not chosen:
            return
        header = emit_header({**candidate.contents.header, "PACKAGES": str(len(chosen))})
        index = header + b"".join(texts[path] + b"\n\n" for path in chosen.values())
        entries = tuple(candidate.contents.entry(path) for path in chosen.values())
        for where, what in self.install(candidate.directory, index, entries):
            yield Finding(self.name, where, what)


def gate(context: Context) -> InstallGate:
    """The gate ``install``."""
    return InstallGate(context.portage.install(), context.portage.masked(), context.rules.sample)

"""What a release must be before it goes live. A gate looks at a candidate and names what it objects to; it changes nothing.

What is the same as in the live release of the channel passed there, and its files cannot have changed since: gates that look
into files look at the fresh ones.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from portage_ext import limits
from portage_ext.errors import InvalidCpvError, InvalidEntryError, PortageExtError
from portage_ext.errors.releases import Finding
from portage_ext.errors.trust import DamagedIndexError
from portage_ext.gpkg.verify import XPAK_UNSIGNED, Judge, reason, verify_packages
from portage_ext.index.expand import expand
from portage_ext.index.text import emit_header
from portage_ext.model import GPKG_SUFFIX, STRONG, IndexEntry
from portage_ext.model.release import PLAIN_FORM
from portage_ext.releases.contents import Contents
from portage_ext.trust import entries as trusted

INDEX: Final = "index"
SIGNATURES: Final = "signatures"
CLOSURE: Final = "closure"
LICENCES: Final = "licences"
INSTALL: Final = "install"


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A staged release: its directory, the channel it is for, its index, and the paths that the live release has not so."""

    directory: Path
    channel: str
    contents: Contents
    forms: Mapping[str, bytes]
    fresh: tuple[str, ...]

    def fresh_entries(self) -> Iterator[tuple[str, IndexEntry]]:
        for path in self.fresh:
            yield path, self.contents.entry(path)


class Gate(Protocol):
    """One gate; ``name`` is what the configuration calls it."""

    @property
    def name(self) -> str: ...

    def check(self, candidate: Candidate) -> Iterable[Finding]:
        """What is wrong with the candidate, one finding a package. Raises GateUnavailableError, OSError."""
        ...


@dataclass(frozen=True, slots=True)
class IndexGate:
    """The index equals the files: every form says the same, every entry is one that clients accept, every file is what its
    entry says; of the fresh ones every byte."""

    name: str = INDEX

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        plain = candidate.forms[PLAIN_FORM]
        for form, data in candidate.forms.items():
            try:
                if expand(form, data, len(plain), form) != plain:
                    yield Finding(self.name, form, f"does not hold what {PLAIN_FORM} holds")
            except DamagedIndexError as error:
                yield Finding(self.name, form, str(error))
        if len(plain) > limits.MAX_OFFERED_INDEX:
            yield Finding(self.name, PLAIN_FORM, f"is larger than {limits.MAX_OFFERED_INDEX} bytes, which clients refuse")
        counted = candidate.contents.header.get("PACKAGES", "")
        if counted != str(len(candidate.contents.entries)):
            yield Finding(
                self.name, PLAIN_FORM, f"its header counts {counted or 'no'} packages of {len(candidate.contents.entries)}"
            )
        yield from self._sizes(candidate)
        fresh = dict(candidate.fresh_entries())
        for refused in trusted.sanitise(PLAIN_FORM, candidate.contents.header, fresh.values(), strong=True).left_out:
            yield Finding(self.name, refused.where, refused.why)
        for path, entry in fresh.items():
            reason = _mismatch(candidate.directory / path, entry)
            if reason:
                yield Finding(self.name, path, reason)

    def _sizes(self, candidate: Candidate) -> Iterator[Finding]:
        top = str(candidate.directory)
        for path, text in candidate.contents.entries.items():
            try:
                size = os.stat(f"{top}/{path}", follow_symlinks=False).st_size
            except OSError as error:
                yield Finding(self.name, path, f"cannot be read: {error.strerror}")
                continue
            if [line for line in text.split(b"\n") if line.startswith(b"SIZE:")] != [b"SIZE: %d" % size]:
                yield Finding(self.name, path, f"has {size} bytes, which is not what the index says")


def _mismatch(path: Path, entry: IndexEntry) -> str | None:
    digests = {name: hashlib.new(name.lower()) for name in STRONG}
    try:
        with path.open("rb") as file:
            while block := file.read(limits.READ_BLOCK):
                for one in digests.values():
                    one.update(block)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    wrong = [name for name, one in digests.items() if one.hexdigest() != entry.get(name).lower()]
    return f"is not the file that the index describes ({', '.join(wrong)})" if wrong else None


@dataclass(frozen=True, slots=True)
class SignatureGate:
    """Every fresh package carries a signature that ``judge`` believes, over all of its bytes."""

    judge: Judge
    jobs: int = 0
    name: str = SIGNATURES

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        signable = [path for path in candidate.fresh if path.endswith(GPKG_SUFFIX)]
        for path in sorted(set(candidate.fresh) - set(signable)):
            yield Finding(self.name, path, XPAK_UNSIGNED)
        verdicts = verify_packages([candidate.directory / path for path in signable], self.judge, jobs=self.jobs)
        for file, error in verdicts.items():
            if error is not None:
                yield Finding(self.name, str(file.relative_to(candidate.directory)), reason(error))


Unsatisfied = Callable[[Iterable[IndexEntry]], Iterable[tuple[IndexEntry, str, str]]]
"""Takes every entry of a release; says which has what unsatisfied: the entry, the variable, the dependency."""


@dataclass(frozen=True, slots=True)
class ClosureGate:
    """Every runtime dependency is satisfiable, by Portage's own rules, from the release or the ebuild repositories."""

    unsatisfied: Unsatisfied
    name: str = CLOSURE

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        every = [candidate.contents.entry(path) for path in candidate.contents.entries]
        for entry, variable, dependency in self.unsatisfied(every):
            yield Finding(self.name, described(entry), f"{variable} asks for {dependency}, which nothing here satisfies")


Missing = Callable[[IndexEntry], str | None]
"""Which licence of the package may not be given to everybody, None when all may."""


@dataclass(frozen=True, slots=True)
class LicenceGate:
    """For a channel that everybody can read: no package with RESTRICT=bindist, none under a licence that forbids copies."""

    missing: Missing
    name: str = LICENCES

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        for _, entry in candidate.fresh_entries():
            if "bindist" in entry.get("RESTRICT").split():
                yield Finding(self.name, described(entry), "has RESTRICT=bindist: it may not be redistributed")
            missing = self.missing(entry)
            if missing:
                yield Finding(self.name, described(entry), f"its licence {missing} is not among those of this channel")


Install = Callable[[Path, bytes, tuple[IndexEntry, ...]], Iterable[tuple[str, str]]]
"""Merges entries, whose files are below the directory and whose index is given, into a scratch root; says what failed."""


@dataclass(frozen=True, slots=True)
class InstallGate:
    """A sample of the fresh packages is merged by real emerge into a scratch root. The same release gives the same sample."""

    install: Install
    sample: int
    name: str = INSTALL

    def check(self, candidate: Candidate) -> Iterator[Finding]:
        texts = candidate.contents.entries
        chosen: dict[str, str] = {}
        for path in sorted(candidate.fresh, key=lambda path: hashlib.sha256(texts[path]).digest()):
            if len(chosen) < self.sample:
                chosen.setdefault(candidate.contents.entry(path).get("CPV"), path)
        if not chosen:
            return
        header = emit_header({**candidate.contents.header, "PACKAGES": str(len(chosen))})
        index = header + b"".join(texts[path] + b"\n\n" for path in chosen.values())
        entries = tuple(candidate.contents.entry(path) for path in chosen.values())
        for where, what in self.install(candidate.directory, index, entries):
            yield Finding(self.name, where, what)


def described(entry: IndexEntry) -> str:
    """An entry as a person calls it: CPV and build id."""
    try:
        build = entry.build_id
        return f"{entry.cpv}-{build}" if build is not None else str(entry.cpv)
    except (InvalidCpvError, InvalidEntryError):
        return entry.get("PATH", "?")


def run_gates(gates: Iterable[Gate], candidate: Candidate) -> list[Finding]:
    """Everything that ``gates`` object to. A failure of a gate is an objection too: what was not checked did not pass."""
    findings: list[Finding] = []
    for gate in gates:
        try:
            findings.extend(gate.check(candidate))
        except PortageExtError as error:
            findings.append(Finding(gate.name, "gate", str(error)))
    return findings

"""When an age, a key, a file or the free space is a finding, decided on values that other modules gathered. Pure.

A finding says what is wrong and how to fix it. What nobody can fix is not a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portage_ext import limits, shown
from portage_ext.model.release import Release
from portage_ext.model.root import Root
from portage_ext.words import counted, size, spell

_DAY: Final = 86400
_NAMED: Final = 3
"""How many names a message lists before it says "and N more"."""


class Severity(StrEnum):
    """An error is broken now. A warning will break later, or is a trap."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, and what to do."""

    severity: Severity
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Area:
    """One part of this host: its name, its state in a few words, and what is wrong with it."""

    name: str
    summary: str
    findings: tuple[Finding, ...] = ()

    @property
    def severity(self) -> Severity | None:
        """The severity of the worst finding."""
        found = {one.severity for one in self.findings}
        return Severity.ERROR if Severity.ERROR in found else Severity.WARNING if found else None


def error(what: str, remedy: str) -> Finding:
    return Finding(Severity.ERROR, shown.line(what), shown.line(remedy))


def warning(what: str, remedy: str) -> Finding:
    return Finding(Severity.WARNING, shown.line(what), shown.line(remedy))


def ages(name: str, release: Release, now: int, remedy: str) -> Iterator[Finding]:
    """A Release that has expired or will soon. Releases are renewed at half of their validity, so a quarter left is late."""
    left = release.expires - now
    if left <= 0:
        yield error(f"{name}: Release {release.version} expired {spell(-left)} ago; clients refuse it", remedy)
    elif left < (release.expires - release.created) / 4:
        yield warning(f"{name}: Release {release.version} expires in {spell(left)} and has not been renewed", remedy)


def root(name: str, value: Root, now: int, remedy: str) -> Iterator[Finding]:
    """A root that has expired or will soon. The bound is early, because somebody must fetch the offline root keys."""
    left = value.expires - now
    if left <= 0:
        yield error(f"{name}: root {value.version} expired {spell(-left)} ago; clients refuse every Release", remedy)
    elif left < limits.ROOT_SOON:
        yield warning(f"{name}: root {value.version} expires in {spell(left)}", remedy)


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key: what it is used for, its fingerprint, its expiry (seconds since 1970, 0: never)."""

    name: str
    fingerprint: str
    expires: int
    revoked: bool = False


def key(state: KeyState, now: int, remedy: str) -> Iterator[Finding]:
    """A key that is revoked, has expired, or will expire soon."""
    called = f"{state.name}: the key {state.fingerprint}"
    if state.revoked:
        yield error(f"{called} is revoked", remedy)
    elif state.expires and state.expires <= now:
        yield error(f"{called} expired {spell(now - state.expires)} ago", remedy)
    elif state.expires and state.expires - now < limits.KEY_SOON:
        yield warning(f"{called} expires in {spell(state.expires - now)}", remedy)


@dataclass(frozen=True, slots=True)
class Space:
    """Space on a file system: its use, and bytes and inodes, free for ordinary users and in total (0: not counted)."""

    what: str
    path: str
    free: int
    size: int
    free_inodes: int = 0
    inodes: int = 0


def room(space: Space) -> Iterator[Finding]:
    """A file system that is full or nearly full."""
    ways = "portage-ext clean --remove; portage-ext prune; eclean-dist; or a larger file system"
    remedy = f"free space on {space.path}: {ways} (clean without --remove only lists what it would remove)"
    called = f"{space.path} ({space.what}) has"
    if space.free < min(limits.DISK_FULL, space.size // 100):
        yield error(f"{called} {size(space.free)} of {size(space.size)} free", remedy)
    elif space.free < min(limits.DISK_SCARCE, space.size // 10):
        yield warning(f"{called} {size(space.free)} of {size(space.size)} free", remedy)
    if space.inodes and space.free_inodes < space.inodes // 100:
        yield error(f"{called} {space.free_inodes} of {space.inodes} inodes free", remedy)


def survey(files: Mapping[str, tuple[int, int]], index: Mapping[str, tuple[int, int]], trusted: bool) -> Iterator[Finding]:
    """The files of PKGDIR and its index, each path with size and mtime (s). ``trusted``: emerge reads only the index."""
    gone = sorted(index.keys() - files.keys())
    new = sorted(files.keys() - index.keys())
    other = sorted(path for path in files.keys() & index.keys() if files[path] != index[path])
    why = "; FEATURES=pkgdir-index-trusted makes emerge believe the index" if trusted else ""
    if gone:
        yield error(f"{counted(len(gone))} in the index, but not in PKGDIR{why}: {some(gone)}", "portage-ext reindex")
    if other:
        yield error(
            f"{counted(len(other))} changed on disk since the index was made{why}: {some(other)}", "portage-ext reindex"
        )
    if new:
        yield warning(f"{counted(len(new))} in PKGDIR, but not in the index{why}: {some(new)}", "portage-ext reindex")


def laid(missing: Sequence[str], edited: Sequence[str], by: str, version: str, command: str) -> Iterator[Finding]:
    """Files that `portage-ext setup` put in place and that are missing, changed, or of another version than this one.

    ``by`` is the version of the last run that finished, empty if none did. ``command`` runs it again.
    """
    if missing:
        yield error(f"missing, though portage-ext setup put them in place: {some(missing)}", command)
    if edited:
        yield warning(
            f"changed since portage-ext setup put them in place: {some(edited)}",
            f"move your changes to a file of your own, remove the changed file, and then run: {command}",
        )
    if by != version:
        what = f"were put in place by portage-ext {by}" if by else "are incomplete: the last setup did not finish"
        yield warning(f"the hooks {what}; this is {version}", command)


def some(names: Iterable[str]) -> str:
    """The first few, and how many more."""
    every = list(names)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more

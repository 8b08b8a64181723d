"""What a sync is an occasion for, and no more than it can bear.

Portage calls its hooks also when nothing changed and when the sync failed. On a client, the binhosts with pinned keys are asked
for their Releases, for a few seconds, not again within minutes; on a binhost, the configured job is started when an ebuild
repository has become another, and left to itself.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from portage_ext import files, limits, locks
from portage_ext.errors import LockError, PortageExtError
from portage_ext.errors.releases import JobError
from portage_ext.errors.trust import AllMirrorsFailedError, ExpiredReleaseError
from portage_ext.fetch import index
from portage_ext.host.here import binrepos, repository_locations
from portage_ext.tasks.site import Site
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.memory import StateDirectory
from portage_ext.unattended import heads
from portage_ext.unattended import log as runs
from portage_ext.unattended.log import LOG_DIRECTORY, Run
from portage_ext.words import minute, second

WHAT: Final = "postsync"
STATE: Final = "var/lib/portage-ext/postsync"
JOB_LOG: Final = f"{LOG_DIRECTORY}/postsync-job.log"
_STALE: Final = 4
"""A Release of whose validity less than a quarter is left should have been renewed: binhosts do it at half."""


@dataclass(frozen=True, slots=True)
class Told:
    """One line; ``ok`` is False for what somebody must look after."""

    line: str
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Synced:
    """What was found and done, in lines. ``failed``: the job could not be started, or the log of runs not be written; that a
    binhost is stale is no failure of the sync."""

    told: Sequence[Told]
    failed: bool = False


def after_sync(site: Site, *, now: bool = False) -> Synced:
    """Ask the binhosts and start the job, as [postsync] of portage-ext.toml says; the log of runs has the lines, too.

    ``now``: ask the binhosts even if that was done a moment ago. Raises SettingsError, UnknownPortageError, OSError.
    """
    begun, settings = time.monotonic(), site.settings.unattended
    told: list[Told] = []
    failed = False
    if settings.refresh:
        told += _refresh(site, now=now)
    if settings.job:
        try:
            told += _job(site.config_root, settings.job)
        except (PortageExtError, OSError) as error:
            told.append(Told(str(error), ok=False))
            failed = True
    # With ``now`` also that there was nothing to do: `portage-ext check` tells of a failure until a later run went well.
    if (told or now) and os.access(site.config_root / "var", os.W_OK):
        ok = all(one.ok for one in told)
        line = "; ".join(one.line for one in told if ok or not one.ok) or "nothing to do"  # a failure stands alone
        try:
            runs.append(site.config_root, Run(int(time.time()), WHAT, ok, line, None, time.monotonic() - begun))
        except (LockError, OSError) as error:
            told.append(Told(f"cannot write the log of runs: {error}", ok=False))
            failed = True
    return Synced(tuple(told), failed)


# --- clients


def _refresh(site: Site, *, now: bool) -> list[Told]:
    """Ask each binrepo with pinned keys; what has not answered in time is told as such and left."""
    pinned = TrustDirectory(site.config_root).binrepos()
    if not pinned or not (now or _due(site.config_root / STATE / "refreshed")):
        return []
    uris = {one.name: one.sync_uri for one in binrepos() if one.name in pinned and one.sync_uri}
    fetch = site.settings.fetch
    hasty = site.with_patience(replace(fetch, timeout=min(fetch.timeout, limits.REFRESH_SECONDS), retries=0))
    answers: dict[str, Told] = {}

    def ask(name: str, uri: str) -> None:
        answers[name] = _asked(hasty, name, uri)

    # Daemons: a transfer that hangs must not keep the sync.
    asking = [threading.Thread(target=ask, args=one, daemon=True) for one in uris.items()]
    for thread in asking:
        thread.start()
    deadline = time.monotonic() + limits.REFRESH_SECONDS
    for thread in asking:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = Told(f"did not answer within {limits.REFRESH_SECONDS:.0f} s", ok=False)
    found = {name: answers.get(name, late) for name in uris}
    good = [f"{name} {one.line}" for name, one in found.items() if one.ok]
    told = [Told(f"Releases checked: {', '.join(good)}")] if good else []
    return told + [replace(one, line=f"{name} {one.line}") for name, one in found.items() if not one.ok]


def _due(stamp: Path) -> bool:
    try:
        if 0 <= time.time() - stamp.stat().st_mtime < limits.REFRESH_EVERY:
            return False
    except FileNotFoundError:
        pass
    try:
        files.make_directory(stamp.parent)
        stamp.touch()
        os.utime(stamp)
    except PermissionError:
        pass  # an ordinary user may look; nothing is remembered of it
    return True


def _asked(site: Site, name: str, uri: str) -> Told:
    now, warned = int(time.time()), list[str]()
    try:
        with site.binrepo(name, uri.rstrip("/"), warn=warned.append) as binrepo:
            release = index.refresh(binrepo, now)
        if release is None:
            return Told("(no Release)")
        if release.expires - now < (release.expires - release.created) // _STALE:
            return Told(f"is stale: its Release {release.version} expires {minute(release.expires)} and was not renewed", False)
        if warned:
            return Told(f"has a warning: {'; '.join(warned)}", ok=False)
        return Told(f"{release.version}, valid until {minute(release.expires)}")
    except ExpiredReleaseError as error:
        return Told(f"has EXPIRED: {error}", ok=False)
    except AllMirrorsFailedError as error:
        return Told(f"cannot be reached: {error}. {_known(StateDirectory(site.eroot, name), now)}", ok=False)
    except (PortageExtError, OSError) as error:
        return Told(f"is refused: {error}", ok=False)


def _known(state: StateDirectory, now: int) -> str:
    memory = state.load()
    if memory.seen is None or not memory.expires:
        return "Nothing was seen of it before"
    word = "expired" if memory.expires <= now else "is good until"
    return f"What was fetched last {word} {minute(memory.expires)}"


# --- binhosts


def _job(root: Path, words: Sequence[str]) -> list[Told]:
    """Start the job if an ebuild repository has another head than when it was started last. Raises JobError, OSError."""
    remembered = root / STATE / "heads.json"
    before = heads.load(remembered)
    now = {name: heads.head(location) for name, location in repository_locations().items()}
    changed = sorted(name for name, value in now.items() if before.get(name) != value)
    if not changed:
        return []
    files.make_directory(remembered.parent)
    command = tuple(words)
    with locks.tried(remembered.parent / "job.lock") as lock:
        if lock is None:
            # It has begun with what was there before: the next sync, changed or not, finds the heads as they are now.
            return [Told(f"{', '.join(changed)} changed, but the update job still runs; it will start after the next sync")]
        _start(root, command, lock)
    heads.save(remembered, now)
    return [Told(f"{', '.join(changed)} changed: started {command[0]}, with its output in {root / JOB_LOG}")]


def _start(root: Path, command: tuple[str, ...], lock: int) -> None:
    """Start ``command`` in a session of its own; it holds ``lock`` as long as it lives."""
    log = root / JOB_LOG
    files.make_directory(log.parent)
    if log.exists() and log.stat().st_size > limits.RUN_LOG_SIZE:
        log.rename(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        output.write(f"--- {second(int(time.time()))} {' '.join(command)}\n".encode())
        output.flush()
        try:
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                pass_fds=(lock,),
                start_new_session=True,
            )
        except OSError as error:
            raise JobError(command[0], error.strerror or str(error)) from error

"""The work after a sync, bounded so that it never delays or fails the sync.

Portage calls its hooks also if nothing changed and if the sync failed. On a client, the Releases of binhosts with pinned keys
are fetched, for a few seconds at most and not again within minutes. On a binhost, the configured job is started in the
background if an ebuild repository has changed.
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
FOLLOWED: Final = "var/lib/portage-ext/followed.json"
"""The configurations of binhosts that this host follows; portage_ext/fleet refreshes them after a sync."""
STATE: Final = "var/lib/portage-ext/postsync"
JOB_LOG: Final = f"{LOG_DIRECTORY}/postsync-job.log"
_STALE: Final = 4
"""With less than a quarter of its validity left, a Release should have been renewed: binhosts renew at half."""


@dataclass(frozen=True, slots=True)
class Told:
    """One line; ``ok`` is False if somebody must act."""

    line: str
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Synced:
    """What was found and done, in lines. ``failed``: the job could not be started, or the log of runs could not be written.
    A stale binhost is not a failure of the sync."""

    told: Sequence[Told]
    failed: bool = False


def after_sync(site: Site, *, now: bool = False) -> Synced:
    """Ask the binhosts and start the job, as [postsync] of portage-ext.toml says. The lines also go to the log of runs.

    ``now``: ask the binhosts even if they were asked a moment ago. Raises SettingsError, UnknownPortageError, OSError.
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
    # With ``now`` also if there was nothing to do: `portage-ext check` reports a failure until a later run succeeds.
    if (told or now) and os.access(site.config_root / "var", os.W_OK):
        ok = all(one.ok for one in told)
        line = "; ".join(one.line for one in told if ok or not one.ok) or "nothing to do"  # after a failure, only failures
        try:
            runs.append(site.config_root, Run(int(time.time()), WHAT, ok, line, None, time.monotonic() - begun))
        except (LockError, OSError) as error:
            told.append(Told(f"cannot write the log of runs: {error}", ok=False))
            failed = True
    return Synced(tuple(told), failed)


# --- clients


def _refresh(site: Site, *, now: bool) -> list[Told]:
    """Ask each binrepo with pinned keys. A binrepo that does not answer in time is reported as such."""
    pinned = TrustDirectory(site.config_root).binrepos()
    if not pinned or not (now or _due(site.config_root / STATE / "refreshed")):
        return []
    uris = {one.name: one.sync_uri for one in binrepos() if one.name in pinned and one.sync_uri}
    fetch = site.settings.fetch
    hasty = site.with_patience(replace(fetch, timeout=min(fetch.timeout, limits.REFRESH_SECONDS), retries=0))
    answers: dict[str, Told] = {}

    def ask(name: str, uri: str) -> None:
        answers[name] = _asked(hasty, name, uri)

    # Daemon threads: a transfer that hangs must not delay the sync.
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
        pass  # an ordinary user may ask, but cannot record the result
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
        why = "; ".join(str(one).removesuffix(".") for one in error.reasons)
        return Told(f"cannot be reached: {why}. {_known(StateDirectory(site.eroot, name), now)}", ok=False)
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
    """Start the job if the head of an ebuild repository has changed since the last start. Raises JobError, OSError."""
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
            # It started with the previous state. The heads are not recorded, so the next sync starts the job again.
            return [Told(f"{', '.join(changed)} changed, but the update job still runs; it will start after the next sync")]
        _start(root, command, lock)
    heads.save(remembered, now)
    return [Told(f"{', '.join(changed)} changed: started {command[0]}, with its output in {root / JOB_LOG}")]


def _start(root: Path, command: tuple[str, ...], lock: int) -> None:
    """Start ``command`` in its own session; it holds ``lock`` as long as it runs."""
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

"""portage-ext postsync: what a sync is an occasion for, and no more than it can bear; a hook in postsync.d calls it.

Portage calls hooks also when nothing changed and when the sync failed. On a client, the binhosts with pinned keys are asked for
their Releases, for a few seconds, not again within minutes; on a binhost, the configured job is started when an ebuild
repository has become another, and left to itself.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from portage_ext import files, limits, locks, shown
from portage_ext.cli import trust
from portage_ext.config import settings as configuration
from portage_ext.config.settings import Settings
from portage_ext.errors import PortageExtError
from portage_ext.errors.releases import JobError
from portage_ext.errors.trust import AllMirrorsFailedError, ExpiredReleaseError
from portage_ext.fetch import index
from portage_ext.fetch.binrepo import Binrepo
from portage_ext.fetch.mirrors import Transports
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.memory import StateDirectory
from portage_ext.unattended import heads
from portage_ext.unattended import log as runs
from portage_ext.unattended.log import LOG_DIRECTORY, Run

WHAT: Final = "postsync"
STATE: Final = "var/lib/portage-ext/postsync"
JOB_LOG: Final = f"{LOG_DIRECTORY}/postsync-job.log"
_STALE: Final = 4
"""A Release of whose validity less than a quarter is left should have been renewed: binhosts do it at half."""


@dataclass(frozen=True, slots=True)
class _Told:
    """One line; ``ok`` is False for what somebody must look after."""

    line: str
    ok: bool = True


def arguments(parser: argparse.ArgumentParser) -> None:
    trust.roots(parser)
    parser.add_argument("--now", action="store_true", help="ask the binhosts even if that was done a moment ago")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 when the job could not be started; a sync has not failed because a binhost is stale."""
    started = time.monotonic()
    settings = configuration.load(options.config_root).unattended
    told: list[_Told] = []
    status = 0
    if settings.refresh:
        told += _refresh(options)
    if settings.job:
        try:
            told += _job(options.config_root, settings.job)
        except (PortageExtError, OSError) as error:
            told.append(_Told(str(error), ok=False))
            status = 1
    for one in told:
        print(f"portage-ext: {shown.line(one.line)}", file=sys.stdout if one.ok else sys.stderr, flush=True)
    # With --now also that there was nothing to do: `portage-ext check` tells of a failure until a later run went well.
    if (told or options.now) and os.access(options.config_root / "var", os.W_OK):
        ok = all(one.ok for one in told)
        line = "; ".join(one.line for one in told if ok or not one.ok) or "nothing to do"  # a failure stands alone
        runs.append(options.config_root, Run(int(time.time()), WHAT, ok, line, None, time.monotonic() - started))
    return status


# --- clients


def _refresh(options: argparse.Namespace) -> list[_Told]:
    """Ask each binrepo with pinned keys; what has not answered in time is told as such and left."""
    pinned = TrustDirectory(options.config_root).binrepos()
    if not pinned or not (options.now or _due(options.config_root / STATE / "refreshed")):
        return []
    from portage_ext.host.here import binrepos

    uris = {one.name: one.sync_uri for one in binrepos() if one.name in pinned and one.sync_uri}
    settings = configuration.load(options.config_root, client_only=True)
    patience = replace(settings.fetch, timeout=min(settings.fetch.timeout, limits.REFRESH_SECONDS), retries=0)
    settings = replace(settings, fetch=patience)
    answers: dict[str, _Told] = {}

    def ask(name: str, uri: str) -> None:
        answers[name] = _asked(name, uri, settings, options)

    # Daemons: a transfer that hangs must not keep the sync.
    asking = [threading.Thread(target=ask, args=one, daemon=True) for one in uris.items()]
    for thread in asking:
        thread.start()
    deadline = time.monotonic() + limits.REFRESH_SECONDS
    for thread in asking:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = _Told(f"did not answer within {limits.REFRESH_SECONDS:.0f} s", ok=False)
    found = {name: answers.get(name, late) for name in uris}
    good = [f"{name} {one.line}" for name, one in found.items() if one.ok]
    told = [_Told(f"Releases looked at: {', '.join(good)}")] if good else []
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


def _asked(name: str, uri: str, settings: Settings, options: argparse.Namespace) -> _Told:
    now = int(time.time())
    state = StateDirectory(options.root, name)
    transports = Transports()
    warned: list[str] = []
    binrepo = Binrepo(
        name=name,
        base=uri.rstrip("/"),
        settings=settings,
        config_root=options.config_root,
        state=state,
        transports=transports,
        warn=warned.append,
        progress=lambda size: None,
    )
    try:
        release = index.refresh(binrepo, now)
        if release is None:
            return _Told("(no Release)")
        if release.expires - now < (release.expires - release.created) // _STALE:
            return _Told(f"is stale: its Release {release.version} expires {_date(release.expires)} and was not renewed", False)
        if warned:
            return _Told(f"has a warning: {'; '.join(warned)}", ok=False)
        return _Told(f"{release.version}, valid until {_date(release.expires)}")
    except ExpiredReleaseError as error:
        return _Told(f"has EXPIRED: {error}", ok=False)
    except AllMirrorsFailedError as error:
        return _Told(f"cannot be asked: {error}. {_known(state, now)}", ok=False)
    except (PortageExtError, OSError) as error:
        return _Told(f"is refused: {error}", ok=False)
    finally:
        transports.close()


def _known(state: StateDirectory, now: int) -> str:
    memory = state.load()
    if memory.seen is None or not memory.expires:
        return "Nothing was seen of it before"
    word = "expired" if memory.expires <= now else "is good until"
    return f"What was fetched last {word} {_date(memory.expires)}"


def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


# --- binhosts


def _job(root: Path, words: Iterable[str]) -> list[_Told]:
    """Start the job if an ebuild repository has another head than when it was started last. Raises JobError, OSError."""
    from portage_ext.host.here import repository_locations

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
            return [_Told(f"{', '.join(changed)} changed, but the update job still runs; it is started after the next sync")]
        _start(root, command, lock)
    heads.save(remembered, now)
    return [_Told(f"{', '.join(changed)} changed: {command[0]} started, its output goes to {root / JOB_LOG}")]


def _start(root: Path, command: tuple[str, ...], lock: int) -> None:
    """Start ``command`` in a session of its own; it holds ``lock`` as long as it lives."""
    log = root / JOB_LOG
    files.make_directory(log.parent)
    if log.exists() and log.stat().st_size > limits.RUN_LOG_SIZE:
        log.rename(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        output.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())} {' '.join(command)}\n".encode())
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

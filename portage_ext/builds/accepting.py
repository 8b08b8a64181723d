"""The output of a builder is untrusted: it is checked and becomes an accepted result, or the attempt fails with a named error.

This runs on the host that gave the order. The builder must no longer be able to change the directory. A result is accepted only
if its fence is that of the current attempt; others are dropped. So an engine may deliver a result more than once.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from portage_ext import files
from portage_ext.builds import confirming, incoming, orders, performing
from portage_ext.builds.issuing import ADDITIONS, issue
from portage_ext.builds.ledger.entries import Attempt, Entry
from portage_ext.builds.means import Means
from portage_ext.builds.orders import Report
from portage_ext.errors import PortageExtError
from portage_ext.errors.builds import JobError, RefusedResultError
from portage_ext.limits import builds as limits

Trial = Callable[[Means, Attempt, Path], None]
"""A function that merges a result on trial (default: :func:`merged`). It raises RefusedResultError if that is not possible."""


def accept(means: Means, attempt: Attempt, directory: Path, *, trial: Trial | None = None) -> Entry:
    """Check what :meth:`performing.Performer.perform` left in ``directory``, and return the updated entry of the job.

    If the result is as expected, the emerge of the target merges it on trial in a cage, or ``trial`` does so if it is given.

    A good result is put into ``incoming`` before it is recorded in the ledger, so that nobody tries to publish a file that does
    not exist yet. Until then it also stays in ``directory``, so that a run that was killed in between can be repeated. A result
    that another group of builders must confirm is recorded by ``confirming``. Raises LedgerError, OSError.
    """
    ledger, entry = means.ledger, means.ledger.get(attempt.key)
    if not ledger.is_current(attempt):
        return entry
    kept = means.places.incoming / f"{entry.key[:16]}.{attempt.fence}"
    shutil.rmtree(kept, ignore_errors=True)  # a run that was killed may have left it, and nobody else has this fence
    try:
        said = _report(directory / performing.REPORT, entry)
        if said.failure:
            reason = f"{said.reason}; {advice(attempt)}"
            ledger.end(attempt, "failed", failure=said.failure, reason=reason)
            return ledger.get(attempt.key)
        result = incoming.accepted(directory / performing.PACKAGES, entry.job)
        confirmed = confirming.is_wanted(means.site.settings.building, entry.job) or bool(ledger.votes(entry.key))
        (trial or merged)(means, attempt, result)
    except PortageExtError as error:
        refused = isinstance(error, RefusedResultError | JobError)
        reason = f"{error}; {advice(attempt)}" if refused else str(error)
        ledger.end(attempt, "failed", failure="checks" if refused else "environment", reason=reason)
        return ledger.get(attempt.key)
    except OSError as error:
        ledger.end(attempt, "failed", failure="builder", reason=f"{error}; {advice(attempt)}")
        return ledger.get(attempt.key)
    files.make_directory(kept, 0o700)
    package = kept / result.name
    try:
        os.link(result, package)
    except OSError:  # it is on another file system
        shutil.copyfile(result, package)
    files.sync_filesystem(kept)
    if not (confirming.settle(ledger, attempt, package) if confirmed else ledger.end(attempt, "checked", result=str(package))):
        shutil.rmtree(kept)
    result.unlink()
    return ledger.get(attempt.key)


def advice(attempt: Attempt) -> str:
    """Where to read why ``attempt`` failed; clients on other hosts read this, too."""
    return f"see `portage-ext builds log {attempt.key[:12]}` on the build host"


def merged(means: Means, attempt: Attempt, result: Path, ready: performing.Trial | None = None) -> None:
    """Merge ``result`` on trial in a cage, in ``ready`` if it is given and still waits."""
    performer = performing.Performer(means.places, means.targets, means.bounds)
    files.make_directory(Path(attempt.log).parent, 0o700)  # if the engine builds on another host, there may be no log yet
    with tempfile.TemporaryDirectory(dir=means.places.state) as place, open(attempt.log, "ab", opener=_private) as log:
        log.write(b"\nportage-ext: merging the result on trial\n")
        log.flush()
        if ready is not None and ready.waits:
            ready.merge(result, log)
            return
        order = issue(means, attempt, Path(place))
        performer.try_out(order, Path(place) / ADDITIONS, result, log)


def _report(path: Path, entry: Entry) -> Report:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise RefusedResultError(entry.job.cpv, f"it has no report that can be read ({error.strerror})") from error
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise RefusedResultError(entry.job.cpv, "its report is no regular file")
        return orders.report(file.read(limits.CAPTURE_TEXT), str(path))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

"""The ledger has every job, its state, and each attempt at it in one SQLite file; only this file decides the state of a job.

A job is named by its key. Each attempt gets a *fence*: a number that increases with each attempt at the job. A result must be
delivered with the fence of its attempt, and only the newest fence is accepted. So a run that was believed dead cannot publish::

    queued -> running -> checked -> published
       |         |          '-> failed (checks)
       |         |'-> queued again, if another group of builders must confirm the result (builds/confirming)
       |         '-> failed (package | builder | environment | differs), or queued again when this host was to blame
       '-> cancelled

``failed (package)`` is permanent: the same key would fail again. ``failed (differs)`` waits for a person. After a failure of
this host, the job is tried again.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from portage_ext.builds.key import Job
from portage_ext.builds.ledger.answers import Answers
from portage_ext.builds.ledger.entries import FINAL, Attempt, Entry, Share, State
from portage_ext.builds.ledger.tables import HAS_VOTED, ORDER, READY
from portage_ext.errors.builds import LedgerError
from portage_ext.limits import builds as limits

if TYPE_CHECKING:
    from portage_ext.builds.orders import Failure

PERSON: Final = 2
"""The priority of jobs that a person waits for; 1 is for requests that nobody waits for, 0 for timers."""


class Ledger(Answers):
    """The ledger, and every change of it."""

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Run the block in an exclusive transaction, which is rolled back if the block fails."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:  # roll back also after an interrupt; the exception is raised again
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise LedgerError(str(self._path), str(error)) from error

    def request(
        self, key: str, target: str, wanted: Job, *, needs: Sequence[str] = (), priority: int = 0, client: str = ""
    ) -> Entry:
        """Return the job with this key, and queue it if it is new or was cancelled. Equal requests share one job.

        A further ``target`` gets a copy of the package (:meth:`shares`).
        It can be taken when all jobs in ``needs`` are published. It keeps the highest ``priority`` of all its requests.
        The build counts for the ``client`` for which it is queued; empty if it is for this host.
        """
        now = int(self._clock())
        with self._change() as database:
            database.execute(
                "INSERT INTO job (key, target, job, state, created, changed, client) VALUES (?, ?, ?, 'queued', ?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET state = 'queued', reason = '', failure = '', tries = 0, changed = ?,"
                " client = excluded.client"
                " WHERE state = 'cancelled' OR (state = 'failed' AND failure NOT IN (SELECT value FROM json_each(?)))",
                (key, target, wanted.emit(), now, now, client, now, json.dumps(FINAL)),
            )
            database.execute("UPDATE job SET priority = max(priority, ?) WHERE key = ?", (priority, key))
            database.execute(
                "INSERT OR IGNORE INTO share (key, target) SELECT key, ? FROM job WHERE key = ? AND target != ?",
                (target, key, target),
            )
            database.executemany("INSERT OR IGNORE INTO need VALUES (?, ?)", [(key, one) for one in needs])
            for one in needs:
                self._fail_who_needs(database, one)
            return self._entry(database, key)

    def retry(self, key: str) -> Entry:
        """Queue a job again that has failed for any reason or whose result is lost, and the jobs that failed because of it.

        Raises LedgerError.
        """
        now = int(self._clock())
        with self._change() as database:
            self._entry(database, key)
            again = "state = 'queued', reason = '', failure = '', tries = 0, result = '', place = '', changed = ?"
            ended = "key = ? AND state IN ('failed', 'cancelled', 'published', 'checked')"
            database.execute(f"DELETE FROM vote WHERE key IN (SELECT key FROM job WHERE {ended})", (key,))
            database.execute(f"UPDATE job SET {again} WHERE {ended}", (now, key))
            whose = "failure = 'needs' AND key IN (SELECT key FROM need WHERE needs = ?)"
            database.execute(f"UPDATE job SET {again} WHERE {whose}", (now, key))
            for row in database.execute("SELECT key FROM job WHERE state = 'failed' AND failure != 'needs'").fetchall():
                self._fail_who_needs(database, row[0])
            return self._entry(database, key)

    def take(
        self, runner: str, log: Callable[[str, int], str], only: Sequence[str] | None = None, *, group: str = ""
    ) -> Attempt | None:
        """Take the first queued job (of the keys ``only``) whose needs are all published, and start an attempt of ``runner``.

        A job that ``runner`` or its ``group`` has built, and that another group must confirm, is not taken. Returns None if
        there is none. ``log`` makes the path of the log from key and fence.
        """
        now = int(self._clock())
        with self._change() as database:
            row = database.execute(
                f"SELECT key, fence FROM job WHERE {READY} AND NOT {HAS_VOTED}"
                f" AND (? IS NULL OR key IN (SELECT value FROM json_each(?))) {ORDER} LIMIT 1",
                (group, runner, names := None if only is None else json.dumps(list(only)), names),
            ).fetchone()
            if row is None:
                return None
            key, fence = row[0], row[1] + 1
            database.execute(
                "UPDATE job SET state = 'running', reason = '', fence = ?, tries = tries + 1, changed = ? WHERE key = ?",
                (fence, now, key),
            )
            name = log(key, fence)
            values = (key, fence, runner, now, name, group)
            database.execute("INSERT INTO attempt VALUES (?, ?, ?, ?, NULL, '', ?, '', ?)", values)
            return Attempt(key, fence, runner, now, None, "", name, "", group)

    def end(self, attempt: Attempt, state: State, *, failure: Failure = "", reason: str = "", result: str = "") -> bool:
        """Record how ``attempt`` ended. Returns False and changes nothing in the job if there is a newer attempt.

        After a failure of this host, the job is queued again until it was tried BUILD_TRIES times.
        """
        now = int(self._clock())
        with self._change() as database:
            again = failure == "builder" and self._entry(database, attempt.key).tries < limits.BUILD_TRIES
            database.execute(
                "UPDATE attempt SET ended = ?, outcome = ?, failure = ? WHERE key = ? AND fence = ?",
                (now, reason or state, failure, attempt.key, attempt.fence),
            )
            changed = database.execute(
                "UPDATE job SET state = ?, failure = ?, reason = ?, result = ?, changed = ?"
                " WHERE key = ? AND fence = ? AND state = 'running'",
                ("queued" if again else state, "" if again else failure, reason, result, now, attempt.key, attempt.fence),
            )
            self._fail_who_needs(database, attempt.key)
            return changed.rowcount == 1

    def vote(self, attempt: Attempt, result: str, state: State, *, failure: Failure = "", reason: str = "") -> bool:
        """Record the checked result of ``attempt`` as that of its group, and the new state of the job.

        Returns False and changes nothing if there is a newer attempt, or if this group or builder has voted.
        """
        now = int(self._clock())
        with self._change() as database:
            there = f"SELECT 1 FROM job WHERE key = ? AND fence = ? AND state = 'running' AND NOT {HAS_VOTED}"
            one = (attempt.key, attempt.fence)
            if database.execute(there, (*one, attempt.group, attempt.runner)).fetchone() is None:
                return False
            database.execute(
                "INSERT INTO vote VALUES (?, ?, ?, ?, ?)", (attempt.key, attempt.group, attempt.runner, attempt.fence, result)
            )
            ended = "UPDATE attempt SET ended = ?, outcome = 'checked', failure = ? WHERE key = ? AND fence = ?"
            database.execute(ended, (now, failure, *one))
            tries = "0" if state == "queued" else "tries"  # the next group has all its tries
            ended = f"UPDATE job SET state = ?, failure = ?, reason = ?, result = ?, tries = {tries}, changed = ? WHERE key = ?"
            database.execute(ended, (state, failure, reason, result if state == "checked" else "", now, attempt.key))
            self._fail_who_needs(database, attempt.key)
            return True

    def give_back(self, attempt: Attempt, reason: str) -> None:
        """Queue the job of ``attempt`` again. Nobody is to blame, so the attempt does not count as a try."""
        values = (int(self._clock()), reason, attempt.key, attempt.fence)
        with self._change() as database:
            database.execute("UPDATE attempt SET ended = ?, outcome = ? WHERE key = ? AND fence = ?", values)
            database.execute(
                "UPDATE job SET state = 'queued', changed = ?, reason = ?, tries = tries - 1"
                " WHERE key = ? AND fence = ? AND state = 'running'",
                values,
            )

    def explain(self, reasons: Mapping[str, str]) -> None:
        """Record why queued jobs wait, by key."""
        with self._change() as database:
            database.executemany(
                "UPDATE job SET reason = ? WHERE key = ? AND state = 'queued'", [(why, key) for key, why in reasons.items()]
            )

    def set_place(self, key: str, fence: int, place: str) -> None:
        """Record the destination of the checked result in PKGDIR before it is moved there. Raises LedgerError."""
        with self._change() as database:
            database.execute("UPDATE job SET place = ? WHERE key = ? AND fence = ? AND state = 'checked'", (place, key, fence))

    def publish(self, key: str, fence: int) -> bool:
        """Record that the checked result is published. Returns False if it already was, or if there is a newer fence."""
        with self._change() as database:
            changed = database.execute(
                "UPDATE job SET state = 'published', changed = ? WHERE key = ? AND fence = ? AND state = 'checked'",
                (int(self._clock()), key, fence),
            )
            return changed.rowcount == 1

    def cancel(self, key: str) -> Entry:
        """Cancel a queued or running job. Its runner notices this and stops. Raises LedgerError."""
        with self._change() as database:
            self._entry(database, key)
            database.execute(
                "UPDATE job SET state = 'cancelled', reason = 'cancelled by a person', fence = fence + 1, changed = ?"
                " WHERE key = ? AND state IN ('queued', 'running')",
                (int(self._clock()), key),
            )
            database.execute(
                "DELETE FROM vote WHERE key IN (SELECT key FROM job WHERE key = ? AND state = 'cancelled')", (key,)
            )
            self._fail_who_needs(database, key)
            return self._entry(database, key)

    def set_share(self, share: Share) -> None:
        """Record where the copy for a further target is."""
        with self._change() as database:
            database.execute(
                "UPDATE share SET place = ?, fence = ? WHERE key = ? AND target = ?",
                (share.place, share.fence, share.key, share.target),
            )

    def _fail_who_needs(self, database: sqlite3.Connection, key: str) -> None:
        """If the job ``key`` has failed or was cancelled, let all queued jobs that need it fail too."""
        entry = self._entry(database, key)
        if entry.state in ("failed", "cancelled"):
            database.execute(
                "UPDATE job SET state = 'failed', failure = 'needs', reason = ?, changed = ? WHERE state = 'queued'"
                " AND key IN (SELECT key FROM need WHERE needs = ?)",
                (f"it needs {entry.job.cpv}, which is {entry.state} ({key[:12]})", int(self._clock()), key),
            )

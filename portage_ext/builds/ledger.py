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
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from portage_ext.builds.entries import FINAL, Attempt, Entry, Share, State, Vote, Waits
from portage_ext.builds.key import Job, job
from portage_ext.builds.tables import COLUMNS, HAS_VOTED, ORDER, READY, opened
from portage_ext.errors.builds import LedgerError
from portage_ext.limits import builds as limits
from portage_ext.model import Cpv

if TYPE_CHECKING:
    from portage_ext.builds.orders import Failure

PERSON: Final = 2
"""The priority of jobs that a person waits for; 1 is for requests that nobody waits for, 0 for timers."""
_TIMED: Final = 4096
"""How many of the last attempts are used for estimates; ``_KEPT`` is how many of them count for one package."""
_KEPT: Final = 5


class Ledger:
    """The ledger in the file ``path``, which is created if it does not exist."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Raises LedgerError."""
        self._path, self._clock = path, clock
        self._connection = opened(path)

    def close(self) -> None:
        self._connection.close()

    def now(self) -> float:
        """The time that is recorded in entries and attempts, in seconds since the epoch."""
        return self._clock()

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

    def is_current(self, attempt: Attempt) -> bool:
        """Whether ``attempt`` is still the newest attempt of a running job."""
        row = self._read("SELECT 1 FROM job WHERE key = ? AND fence = ? AND state = 'running'", (attempt.key, attempt.fence))
        return bool(row)

    def running(self) -> list[Attempt]:
        """The attempts that have not ended, oldest first."""
        return [Attempt(*row) for row in self._read("SELECT * FROM attempt WHERE ended IS NULL ORDER BY started", ())]

    def votes(self, key: str) -> list[Vote]:
        """The results of the groups that have built a job that several must confirm, oldest first."""
        statement = "SELECT team, runner, fence, result FROM vote WHERE key = ? ORDER BY fence"
        return [Vote(*row) for row in self._read(statement, (key,))]

    def unconfirmed(self) -> list[str]:
        """The paths of all results that wait for another group, or that differ and wait for a person."""
        waits = "job.state IN ('queued', 'running') OR job.failure = 'differs'"
        return [str(row[0]) for row in self._read(f"SELECT vote.result FROM vote JOIN job USING (key) WHERE {waits}", ())]

    def attempt(self, key: str, fence: int) -> Attempt:
        """The attempt with this fence at the job. Raises LedgerError."""
        found = self._read("SELECT * FROM attempt WHERE key = ? AND fence = ?", (key, fence))
        if not found:
            raise LedgerError(str(self._path), f"the job {key[:12]} has no attempt {fence}")
        return Attempt(*found[0])

    def queue(self) -> list[str]:
        """The keys of all queued jobs in the order in which they will be taken. A job waits until those it needs are
        published."""
        return [str(row[0]) for row in self._read(f"SELECT key FROM job WHERE state = 'queued' {ORDER}", ())]

    def waiting(self) -> list[Waits]:
        """Summaries of all queued jobs, without their ingredients, in the order of :meth:`queue`."""
        lacks = (
            "SELECT group_concat(json_extract(other.job, '$.cpv'), ', ') FROM need JOIN job AS other ON other.key = need.needs"
            " WHERE need.key = job.key AND other.state != 'published'"
        )
        columns = f"key, target, priority, created, fence, coalesce(({lacks}), ''), client"
        return [Waits(*row) for row in self._read(f"SELECT {columns} FROM job WHERE state = 'queued' {ORDER}", ())]

    def needs(self, key: str) -> list[Entry]:
        """The jobs that must be published before this one is built. Each comes after the jobs that it needs itself."""
        needed = "key IN (SELECT needs FROM need WHERE key = ?)"
        # The needs of a job include the needs of those jobs. So sorting by the number of needs gives a valid order.
        order = "ORDER BY (SELECT count(*) FROM need WHERE need.key = job.key), rowid"
        return [self._made(row) for row in self._read(f"SELECT {COLUMNS} FROM job WHERE {needed} {order}", (key,))]

    def shares(self) -> list[Share]:
        """Further targets that lack a copy of a package that is built."""
        statement = (
            "SELECT share.key, share.target, share.place, share.fence FROM share JOIN job USING (key)"
            " WHERE job.state IN ('checked', 'published') AND share.fence != job.fence ORDER BY share.rowid"
        )
        return [Share(*row) for row in self._read(statement, ())]

    def set_share(self, share: Share) -> None:
        """Record where the copy for a further target is."""
        with self._change() as database:
            database.execute(
                "UPDATE share SET place = ?, fence = ? WHERE key = ? AND target = ?",
                (share.place, share.fence, share.key, share.target),
            )

    def place(self, key: str, target: str) -> str:
        """The published package of a job for ``target``; empty if there is none."""
        rows = self._read(
            "SELECT place FROM job WHERE key = ? AND target = ? AND state = 'published' UNION ALL SELECT share.place FROM share"
            " JOIN job USING (key) WHERE key = ? AND share.target = ? AND share.fence = job.fence AND state = 'published'",
            (key, target, key, target),
        )
        return str(rows[0][0]) if rows else ""

    def is_needed(self, key: str) -> bool:
        """Whether any queued job waits for this one to be published."""
        statement = "SELECT 1 FROM need JOIN job USING (key) WHERE need.needs = ? AND job.state = 'queued' LIMIT 1"
        return bool(self._read(statement, (key,)))

    def durations(self) -> dict[str, float]:
        """Build times in seconds by category/name: the median of the last successful attempts."""
        rows = self._read(
            "SELECT json_extract(job.job, '$.cpv'), attempt.ended - attempt.started FROM attempt JOIN job USING (key)"
            f" WHERE attempt.outcome = 'checked' ORDER BY attempt.ended DESC LIMIT {_TIMED}",
            (),
        )
        if not rows:
            return {}
        import statistics  # takes as long to import as to answer a request

        found: dict[str, list[int]] = {}
        for cpv, seconds in rows:
            found.setdefault(Cpv.parse(str(cpv)).cp, []).append(int(seconds))
        return {name: statistics.median(values[:_KEPT]) for name, values in found.items()}

    def moves(self, keys: Sequence[str] | None) -> bool:
        """Whether any of ``keys`` is running or can be taken. With None, whether any job of the queue can be taken."""
        waits = (
            "state = 'queued' AND NOT EXISTS (SELECT 1 FROM need JOIN job AS other ON other.key = need.needs"
            " WHERE need.key = job.key AND other.state NOT IN ('published', 'queued', 'running'))"
            # A job that this host has built waits for others.
            " AND NOT EXISTS (SELECT 1 FROM vote WHERE vote.key = job.key AND vote.team = '')"
        )
        if keys is None:
            return bool(self._read(f"SELECT 1 FROM job WHERE {waits} LIMIT 1", ()))
        statement = (
            f"SELECT 1 FROM job WHERE key IN (SELECT value FROM json_each(?)) AND (state = 'running' OR ({waits})) LIMIT 1"
        )
        return bool(self._read(statement, (json.dumps(list(keys)),)))

    def attempts(self, key: str) -> list[Attempt]:
        """Every attempt at a job, oldest first."""
        return [Attempt(*row) for row in self._read("SELECT * FROM attempt WHERE key = ? ORDER BY fence", (key,))]

    def entries(self, state: State | None = None) -> list[Entry]:
        """All jobs, or those in ``state``, oldest first."""
        where = "" if state is None else " WHERE state = ?"
        rows = self._read(f"SELECT {COLUMNS} FROM job{where} ORDER BY created, rowid", () if state is None else (state,))
        return [self._made(row) for row in rows]

    def having(self, keys: Sequence[str]) -> list[Entry]:
        """The jobs with one of ``keys``."""
        statement = f"SELECT {COLUMNS} FROM job WHERE key IN (SELECT value FROM json_each(?))"
        return [self._made(row) for row in self._read(statement, (json.dumps(list(keys)),))]

    def get(self, key: str) -> Entry:
        """The job with this key. Raises LedgerError."""
        return self._entry(self._connection, key)

    def find(self, beginning: str) -> Entry:
        """The only job whose key starts with ``beginning``. Raises LedgerError if there is none or more than one."""
        text = beginning.lower()
        found = [] if not text.isalnum() else self._read(f"SELECT {COLUMNS} FROM job WHERE key LIKE ? LIMIT 2", (text + "%",))
        if len(found) != 1:
            raise LedgerError(
                str(self._path), f"{'several jobs have keys' if found else 'no job has a key'} that begin with {text!r}"
            )
        return self._made(found[0])

    def _fail_who_needs(self, database: sqlite3.Connection, key: str) -> None:
        """If the job ``key`` has failed or was cancelled, let all queued jobs that need it fail too."""
        entry = self._entry(database, key)
        if entry.state in ("failed", "cancelled"):
            database.execute(
                "UPDATE job SET state = 'failed', failure = 'needs', reason = ?, changed = ? WHERE state = 'queued'"
                " AND key IN (SELECT key FROM need WHERE needs = ?)",
                (f"it needs {entry.job.cpv}, which is {entry.state} ({key[:12]})", int(self._clock()), key),
            )

    def _read(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(str(self._path), str(error)) from error

    def _entry(self, database: sqlite3.Connection, key: str) -> Entry:
        row = database.execute(f"SELECT {COLUMNS} FROM job WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise LedgerError(str(self._path), f"there is no job {key}")
        return self._made(row)

    def _made(self, row: tuple[Any, ...]) -> Entry:
        values = dict(zip(COLUMNS.split(", "), row, strict=True))
        try:
            values["job"] = job(json.loads(str(values["job"])), str(self._path))
        except ValueError as error:
            raise LedgerError(str(self._path), f"the job {values['key']} cannot be read ({error})") from error
        return Entry(**values)

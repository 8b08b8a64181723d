"""Questions to the ledger: the state of jobs, what runs, what waits, and what a result is needed for. Nothing is changed."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from portage_ext.builds.key import job
from portage_ext.builds.ledger.entries import Attempt, Entry, Share, State, Vote, Waits
from portage_ext.builds.ledger.tables import COLUMNS, ORDER, opened
from portage_ext.errors.builds import LedgerError
from portage_ext.model import Cpv

_TIMED: Final = 4096
"""How many of the last attempts are used for estimates; ``_KEPT`` is how many of them count for one package."""
_KEPT: Final = 5


class Answers:
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

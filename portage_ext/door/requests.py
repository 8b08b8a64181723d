"""Requests are stored in the file of the ledger, one row for each package and target, no matter how many clients want it.

Requests for the same thing have the same *weak key* and share one row from the start. So a hundred of them at the same time are
planned once and built once. A new row is ``accepted``. Planning gives it the key of a job, or records why there is none
(``blocked``: the environment cannot be used; ``refused``: the build would differ from the request). From then on, its state is
that of the job.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from portage_ext.asking import protocol
from portage_ext.asking.protocol import Wanted
from portage_ext.door.quotas import Usage
from portage_ext.errors.builds import LedgerError
from portage_ext.limits import builds as limits

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS request (
    id INTEGER PRIMARY KEY, weak TEXT NOT NULL UNIQUE, target TEXT NOT NULL, cpv TEXT NOT NULL, wanted TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', key TEXT NOT NULL DEFAULT '', capture TEXT NOT NULL DEFAULT '',
    changed INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS claim (
    request INTEGER NOT NULL REFERENCES request, client TEXT NOT NULL, first INTEGER NOT NULL, priority INTEGER NOT NULL,
    asked INTEGER NOT NULL, PRIMARY KEY (request, client)
) STRICT;
CREATE TABLE IF NOT EXISTS bucket (client TEXT PRIMARY KEY, tokens REAL NOT NULL, at REAL NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS request_state ON request (state);
CREATE INDEX IF NOT EXISTS request_key ON request (key);
"""
_COLUMNS: Final = "id, target, cpv, wanted, state, reason, key, capture"
_OPEN: Final = "(request.state = 'accepted' OR (request.state = 'planned' AND job.state IN ('queued', 'running', 'checked')))"
_FOR: Final = (
    "(job.client = ? OR (job.client = '' AND EXISTS (SELECT 1 FROM request JOIN claim ON claim.request = request.id"
    " WHERE request.key = job.key AND claim.client = ? AND claim.first)))"
)
"""SQL condition: the job is built for the client. Jobs of an older ledger name no client; who requested them first counts."""
PLANNED: Final = "planned"
ACCEPTED: Final = "accepted"
DAY: Final = 86400


@dataclass(frozen=True, slots=True)
class Request:
    """A row: the package ``wanted`` for ``target``, its state, and the key of its job after planning.

    ``capture`` is the name of the capture of the target that was used for planning."""

    id: int
    target: str
    cpv: str
    wanted: Wanted
    state: str
    reason: str
    key: str
    capture: str


def weak_key(target: str, wanted: Wanted) -> str:
    """A key of 64 hexadecimal digits. It is equal if and only if the same package is wanted for the same target."""
    text = json.dumps([target, protocol.plain(wanted)], sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


class Requests:
    """The requests in the ledger at ``path``. The file must exist; ``builds.ledger.ledger.Ledger`` creates it."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Raises LedgerError."""
        self._path, self._clock = path, clock
        try:
            self._connection = sqlite3.connect(path, timeout=limits.LEDGER_WAIT, isolation_level=None)
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise LedgerError(str(path), f"cannot be opened ({error})") from error

    def close(self) -> None:
        self._connection.close()

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Run the block in an exclusive transaction, which is rolled back if the block fails. Raises LedgerError."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:  # roll back also after an interrupt; the exception is raised again
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise LedgerError(str(self._path), str(error)) from error

    # --- actions of a client; call them inside of ``change``

    def spend(self, client: str, rate: float, most: float, count: float = 1) -> bool:
        """Take ``count`` tokens from the bucket of ``client``, which gains ``rate`` tokens per second up to ``most``.

        Returns False if it has too few.
        """
        now = self._clock()
        row = self._connection.execute("SELECT tokens, at FROM bucket WHERE client = ?", (client,)).fetchone()
        tokens = most if row is None else min(most, row[0] + max(0.0, now - row[1]) * rate)
        if tokens < count:
            return False
        self._connection.execute("INSERT OR REPLACE INTO bucket VALUES (?, ?, ?)", (client, tokens - count, now))
        return True

    def usage(self, client: str) -> Usage:
        """How much of its quotas ``client`` uses now. Builds and bytes count for the client that requested them first.

        What its packages need, and what is built for that reason, counts too.
        """
        now = int(self._clock())
        one = self._connection.execute
        (queued,) = one(
            "SELECT count(*) FROM claim JOIN request ON request.id = claim.request LEFT JOIN job USING (key)"
            f" WHERE claim.client = ? AND {_OPEN}",
            (client,),
        ).fetchone()
        (needed,) = one(
            "SELECT count(*) FROM job WHERE client = ? AND state IN ('queued', 'running', 'checked') AND NOT EXISTS"
            " (SELECT 1 FROM request JOIN claim ON claim.request = request.id"
            " WHERE request.key = job.key AND claim.client = ?)",
            (client, client),
        ).fetchone()
        (seconds,) = one(
            "SELECT coalesce(sum(coalesce(attempt.ended, ?) - max(attempt.started, ?)), 0) FROM attempt JOIN job USING (key)"
            f" WHERE {_FOR} AND coalesce(attempt.ended, ?) > ?",
            (now, now - DAY, client, client, now, now - DAY),
        ).fetchone()
        places = one(
            f"SELECT DISTINCT place FROM job WHERE {_FOR} AND state = 'published' AND changed > ?",
            (client, client, now - DAY),
        ).fetchall()
        return Usage(int(queued) + int(needed), float(seconds), sum(_size(str(place)) for (place,) in places))

    def find(self, target: str, wanted: Wanted) -> Request | None:
        """The request for this package and target by any client; None if there is none."""
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM request WHERE weak = ?", (weak_key(target, wanted),)).fetchone()
        return None if row is None else _made(row)

    def claims(self, client: str, request: Request) -> bool:
        """Whether ``client`` has requested it."""
        found = self._connection.execute("SELECT 1 FROM claim WHERE client = ? AND request = ?", (client, request.id))
        return found.fetchone() is not None

    def add(self, client: str, target: str, wanted: Wanted, priority: int) -> Request:
        """Record that ``client`` wants the package; add the request if it is new."""
        now = int(self._clock())
        text = json.dumps(protocol.plain(wanted), sort_keys=True)
        weak = weak_key(target, wanted)
        new = self._connection.execute(
            "INSERT OR IGNORE INTO request (weak, target, cpv, wanted, state, changed) VALUES (?, ?, ?, ?, 'accepted', ?)",
            (weak, target, wanted.cpv, text, now),
        ).rowcount
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM request WHERE weak = ?", (weak,)).fetchone()
        self._connection.execute(
            "INSERT INTO claim VALUES (?, ?, ?, ?, ?) ON CONFLICT (request, client) DO UPDATE SET"
            " priority = max(priority, excluded.priority), asked = excluded.asked",
            (row[0], client, int(new > 0), priority, now),
        )
        return _made(row)

    def renew(self, request: Request) -> Request:
        """Reset the request, so that it is planned again."""
        return self.settle(request, ACCEPTED)

    def settle(self, request: Request, state: str, *, reason: str = "", key: str = "", capture: str = "") -> Request:
        """Record the result of planning."""
        self._connection.execute(
            "UPDATE request SET state = ?, reason = ?, key = ?, capture = ?, changed = ? WHERE id = ?",
            (state, reason, key, capture, int(self._clock()), request.id),
        )
        return Request(request.id, request.target, request.cpv, request.wanted, state, reason, key, capture)

    def withdraw(self, client: str, request: Request) -> bool:
        """Withdraw the request for ``client``. Returns whether no other client wants the package."""
        self._connection.execute("DELETE FROM claim WHERE client = ? AND request = ?", (client, request.id))
        return self._connection.execute("SELECT 1 FROM claim WHERE request = ?", (request.id,)).fetchone() is None

    # --- queries

    def of_client(self, client: str, target: str, cpvs: Sequence[str] = ()) -> list[Request]:
        """The newest requests of ``client``, one for each package."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM request JOIN claim ON claim.request = request.id WHERE client = ? AND target = ?"
            " ORDER BY claim.asked, request.id",
            (client, target),
        ).fetchall()
        found = {request.cpv: request for request in map(_made, rows)}
        return [one for cpv, one in found.items() if not cpvs or cpv in cpvs][-limits.ASK_BATCH :]

    def waiting(self) -> list[tuple[Request, str, int]]:
        """The requests to plan, each with its first client and its priority. The most urgent come first, then the oldest."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS}, (SELECT client FROM claim WHERE request = request.id ORDER BY first DESC, asked LIMIT 1),"
            " (SELECT max(priority) FROM claim WHERE request = request.id) AS urgent FROM request"
            " WHERE state = 'accepted' AND EXISTS (SELECT 1 FROM claim WHERE request = request.id) ORDER BY urgent DESC, id"
        ).fetchall()
        return [(_made(row[:-2]), str(row[-2]), int(row[-1])) for row in rows]

    def at_work(self, client: str) -> int:
        """How many jobs that are built for ``client`` are queued or being built."""
        (count,) = self._connection.execute(
            f"SELECT count(*) FROM job WHERE {_FOR} AND state IN ('queued', 'running')", (client, client)
        ).fetchone()
        return int(count)


def _size(place: str) -> int:
    try:
        return Path(place).stat().st_size
    except OSError:
        return 0


def _made(row: Sequence[Any]) -> Request:
    return Request(row[0], row[1], row[2], protocol.wanted(json.loads(row[3])), row[4], row[5], row[6], row[7])

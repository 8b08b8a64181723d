"""The tables of the ledger's file, and conditions on them; an older file gets what it lacks when it is opened."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.errors.builds import LedgerError
from portage_ext.limits import builds as limits

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS job (
    key TEXT PRIMARY KEY, target TEXT NOT NULL, job TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    failure TEXT NOT NULL DEFAULT '', fence INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
    result TEXT NOT NULL DEFAULT '', place TEXT NOT NULL DEFAULT '', created INTEGER NOT NULL, changed INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS attempt (
    key TEXT NOT NULL REFERENCES job, fence INTEGER NOT NULL, runner TEXT NOT NULL, started INTEGER NOT NULL,
    ended INTEGER, outcome TEXT NOT NULL DEFAULT '', log TEXT NOT NULL, PRIMARY KEY (key, fence)
) STRICT;
CREATE TABLE IF NOT EXISTS vote (
    key TEXT NOT NULL REFERENCES job, team TEXT NOT NULL, runner TEXT NOT NULL, fence INTEGER NOT NULL, result TEXT NOT NULL,
    PRIMARY KEY (key, team), UNIQUE (key, runner)
) STRICT;
CREATE TABLE IF NOT EXISTS need (key TEXT NOT NULL REFERENCES job, needs TEXT NOT NULL, PRIMARY KEY (key, needs)) STRICT;
CREATE TABLE IF NOT EXISTS share (
    key TEXT NOT NULL REFERENCES job, target TEXT NOT NULL, place TEXT NOT NULL DEFAULT '', fence INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (key, target)
) STRICT;
CREATE INDEX IF NOT EXISTS job_state ON job (state, created);
"""
_ADDED: Final = (
    ("job", "priority", "INTEGER NOT NULL DEFAULT 0"),
    ("attempt", "failure", "TEXT NOT NULL DEFAULT ''"),
    ("job", "client", "TEXT NOT NULL DEFAULT ''"),
    ("attempt", "team", "TEXT NOT NULL DEFAULT ''"),
)
"""Columns that are missing in older ledgers."""
COLUMNS: Final = "key, target, job, state, reason, failure, fence, tries, result, place, created, changed, priority"
ORDER: Final = "ORDER BY priority DESC, created, rowid"
READY: Final = (
    "state = 'queued' AND NOT EXISTS (SELECT 1 FROM need JOIN job AS other ON other.key = need.needs"
    " WHERE need.key = job.key AND other.state != 'published')"
)
"""SQL condition: every job that it needs is published."""
HAS_VOTED: Final = "EXISTS (SELECT 1 FROM vote WHERE vote.key = job.key AND (vote.team = ? OR vote.runner = ?))"
"""SQL condition: this group of builders, or this builder, has built the job already."""


def opened(path: Path) -> sqlite3.Connection:
    """Open the ledger's file, which is created if it does not exist. Raises LedgerError."""
    try:
        files.make_directory(path.parent, 0o700)
        connection = sqlite3.connect(path, timeout=limits.LEDGER_WAIT, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
        for table, name, kind in _ADDED:
            there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if name not in there:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
        os.chmod(path, 0o600)
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(str(path), f"cannot be opened ({error})") from error
    return connection

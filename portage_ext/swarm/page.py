"""The page of a coordinator: builders, what they build, and what waits and why, as `portage-ext swarm` shows it.

Text of others (packages, reasons, names of builders) is escaped; the page has no script and loads nothing.
"""

from __future__ import annotations

import html
import sqlite3
import time
from collections.abc import Iterable
from typing import Final

from portage_ext import shown
from portage_ext.swarm.status import Status
from portage_ext.words import counted, size, spell

HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_SHOWN: Final = 200
_SECONDS: Final = 10
_STYLE: Final = (
    "body{font:16px/1.4 sans-serif;margin:2em auto;max-width:70em;padding:0 1em}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;padding:.2em .8em .2em 0;vertical-align:top;border-bottom:1px solid #8884}h2{margin-top:1.5em}"
    ":root{color-scheme:light dark}"
)
_QUEUED: Final = (
    "SELECT json_extract(job, '$.cpv'), target, reason, created FROM job WHERE state = 'queued'"
    " ORDER BY priority DESC, created, rowid LIMIT ?"
)


def page(connection: sqlite3.Connection, found: Status | None) -> str:
    """The page as HTML. ``found`` is None if no coordinator has run. Raises sqlite3.Error."""
    now = int(time.time())
    count = connection.execute("SELECT count(*) FROM job WHERE state = 'queued'").fetchone()[0]
    queue = connection.execute(_QUEUED, (_SHOWN,)).fetchall()
    cpvs = dict(connection.execute("SELECT key, json_extract(job, '$.cpv') FROM job WHERE state = 'running'").fetchall())
    builders = found.builders if found is not None else ()
    running = found.running if found is not None else ()
    parts = [f"<h2>{counted(len(builders), 'builder')}</h2>"]
    parts += _table(
        ("builder", "machine", "takes jobs"),
        (
            (
                one.name,
                f"{one.machine}, {one.cpus} CPUs, {size(one.memory)}" if one.machine else "",
                one.closed or ("builds" if one.running else "is free"),
            )
            for one in builders
        ),
    )
    parts.append(f"<h2>{counted(len(running), 'build')} running</h2>")
    parts += _table(
        ("package", "builder", "for", "of about"),
        (
            (
                cpvs.get(one.key, one.key[:12]),
                one.builder,
                spell(max(0, now - one.started)),
                spell(one.estimate) if one.estimate else "unknown",
            )
            for one in running
        ),
    )
    parts.append(f"<h2>{counted(count, 'job')} waiting</h2>")
    parts += _table(
        ("package", "target", "since", "waits because"),
        ((cpv, target, spell(max(0, now - made)), why or "is looked at next") for cpv, target, why, made in queue),
    )
    if count > len(queue):
        parts.append(f"<p>and {counted(count - len(queue), 'more job')}</p>")
    if found is None or not found.is_alive:
        parts.insert(0, "<p>The coordinator does not run.</p>")
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{_SECONDS}">'
        f'<meta name="viewport" content="width=device-width"><title>portage-ext swarm</title><style>{_STYLE}</style></head>'
        f"<body><h1>portage-ext swarm</h1>{''.join(parts)}</body></html>\n"
    )


def _table(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A table, or nothing if there are no rows."""
    lines = ["<tr>" + "".join(f"<td>{html.escape(shown.line(word))}</td>" for word in row) + "</tr>" for row in rows]
    head = "".join(f"<th>{name}</th>" for name in names)
    return ["<table><tr>", head, "</tr>", *lines, "</table>"] if lines else []

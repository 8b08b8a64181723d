"""A coordinator serves metrics for Prometheus, and its page, to this host only, and only if [swarm] metrics sets a port.

The text format is version 0.0.4 (prometheus.io, Exposition formats). It has names of builders, counts and times; no secrets.
"""

from __future__ import annotations

import contextlib
import http.server
import sqlite3
import threading
import time
from pathlib import Path
from types import TracebackType

from portage_ext.errors import PortageExtError
from portage_ext.swarm import page, status

TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Serves the metrics while the block runs; does nothing if ``port`` is 0."""

    def __init__(self, port: int, ledger: Path, directory: Path) -> None:
        self._port, self._ledger, self._directory = port, ledger, directory
        self._server: http.server.ThreadingHTTPServer | None = None

    def __enter__(self) -> Metrics:
        if self._port:
            metrics = self

            class Handler(http.server.BaseHTTPRequestHandler):
                timeout = 10

                def do_GET(self) -> None:
                    status, text, headers = 404, "The page is at /, the metrics are at /metrics.\n", {"Content-Type": TYPE}
                    try:
                        if self.path == "/metrics":
                            status, text = 200, metrics.text()
                        elif self.path == "/":
                            status, text, headers = 200, metrics.page(), page.HEADERS
                    except (sqlite3.Error, OSError) as error:
                        status, text = 503, f"the ledger cannot be read: {error}\n"
                    body = text.encode()
                    self.send_response(status)
                    for name, value in {**headers, "Content-Length": str(len(body))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)

                def log_message(self, format: str, *words: object) -> None:
                    """Log nothing."""

            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
            threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def page(self) -> str:
        """The current page. Raises sqlite3.Error, OSError."""
        with contextlib.closing(self._opened()) as connection:
            return page.page(connection, self._status())

    def _opened(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self._ledger}?mode=ro", uri=True)

    def _status(self) -> status.Status | None:
        try:
            return status.read(self._directory)
        except PortageExtError:
            return None

    def text(self) -> str:
        """The current metrics. Raises sqlite3.Error, OSError."""
        connection = self._opened()
        try:
            states = dict(connection.execute("SELECT state, count(*) FROM job GROUP BY state").fetchall())
            oldest = connection.execute("SELECT min(created) FROM job WHERE state = 'queued'").fetchone()[0]
            longest = connection.execute("SELECT min(started) FROM attempt WHERE ended IS NULL").fetchone()[0]
            published = connection.execute("SELECT max(changed) FROM job WHERE state = 'published'").fetchone()[0]
            failures = dict(
                connection.execute("SELECT failure, count(*) FROM attempt WHERE failure != '' GROUP BY failure").fetchall()
            )
        finally:
            connection.close()
        lines = ["# TYPE portage_ext_jobs gauge"]
        for state in ("queued", "running", "checked", "published", "failed", "cancelled"):
            lines.append(f'portage_ext_jobs{{state="{state}"}} {states.get(state, 0)}')
        lines += ["# TYPE portage_ext_oldest_queued_seconds gauge"]
        lines += [f"portage_ext_oldest_queued_seconds {_age(oldest)}"]
        lines += ["# TYPE portage_ext_longest_running_seconds gauge"]
        lines += [f"portage_ext_longest_running_seconds {_age(longest)}"]
        lines += ["# TYPE portage_ext_last_publication_timestamp_seconds gauge"]
        lines += [f"portage_ext_last_publication_timestamp_seconds {published or 0}"]
        lines += ["# TYPE portage_ext_attempt_failures_total counter"]
        for failure in ("builder", "checks", "environment", "package", "differs"):
            lines.append(f'portage_ext_attempt_failures_total{{blame="{failure}"}} {failures.get(failure, 0)}')
        found = self._status()
        if found is None:
            return "\n".join(lines) + "\n"
        lines += ["# TYPE portage_ext_builder_open gauge"]
        lines += [f'portage_ext_builder_open{{builder="{one.name}"}} {int(not one.closed)}' for one in found.builders]
        lines += ["# TYPE portage_ext_builder_running gauge"]
        lines += [f'portage_ext_builder_running{{builder="{one.name}"}} {len(one.running)}' for one in found.builders]
        lines += ["# TYPE portage_ext_builder_failures gauge"]
        lines += [f'portage_ext_builder_failures{{builder="{one.name}"}} {one.failures}' for one in found.builders]
        lines += ["# TYPE portage_ext_builder_free_bytes gauge"]
        lines += [f'portage_ext_builder_free_bytes{{builder="{one.name}"}} {one.disk}' for one in found.builders]
        lines += ["# TYPE portage_ext_slowest_step_seconds gauge", f"portage_ext_slowest_step_seconds {found.slowest}"]
        return "\n".join(lines) + "\n"


def _age(since: int | None) -> int:
    """The seconds since a time of the ledger; 0 if there is none."""
    return max(0, int(time.time()) - since) if since else 0

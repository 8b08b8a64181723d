"""nginx on loopback: how a binhost serves its packages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.testkit import daemon


@contextmanager
def nginx(work: Path, served: Path) -> Iterator[str]:
    """nginx over ``served`` on a free port."""
    with daemon.free_port() as port:
        (work / "nginx.conf").write_text(
            f"daemon off; pid {work}/nginx.pid; error_log {work}/nginx.log; user root;\n"
            "events {}\nhttp { access_log off; sendfile on;\n"
            f"server {{ listen 127.0.0.1:{port}; root {served}; }} }}\n"
        )
        with daemon.running(["nginx", "-c", str(work / "nginx.conf"), "-p", str(work)], port, work / "nginx.log"):
            yield f"http://127.0.0.1:{port}"

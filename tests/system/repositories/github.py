"""A stand-in for the API of GitHub, which no test can reach: a proxy that answers for api.github.com itself, over real TLS.

nvchecker asks the real URL, and believes the certificate because SSL_CERT_FILE names it.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

HOST = "api.github.com"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    context: ssl.SSLContext
    tags: Mapping[str, tuple[str, ...]]

    def do_CONNECT(self) -> None:
        assert self.path == f"{HOST}:443", self.path
        self.send_response(200)
        self.end_headers()
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self) -> None:
        """GET /repos/OWNER/NAME/git/refs/tags, as docs.github.com describes it under "Git references"."""
        project = self.path.removeprefix("/repos/").removesuffix("/git/refs/tags")
        found = self.tags.get(project) if isinstance(self.connection, ssl.SSLSocket) else None
        answer: object = {"message": "Not Found", "status": "404"}
        if found is not None:
            answer = [
                {"ref": f"refs/tags/{tag}", "object": {"type": "commit", "sha": f"{number:040x}"}}
                for number, tag in enumerate(found)
            ]
        body = json.dumps(answer).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


@contextlib.contextmanager
def answering(work: Path, tags: Mapping[str, tuple[str, ...]]) -> Iterator[dict[str, str]]:
    """GitHub with the ``tags`` of each OWNER/NAME; the variables with which programs find it."""
    key, certificate = work / "github.key", work / "github.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    words += ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, capture_output=True, check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handler = type("Handler", (_Handler,), {"context": context, "tags": tags})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield {"HTTPS_PROXY": f"http://127.0.0.1:{server.server_address[1]}", "SSL_CERT_FILE": str(certificate)}
        server.shutdown()
        thread.join()

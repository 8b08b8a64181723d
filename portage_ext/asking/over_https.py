"""The https transport: each line from standard input is one POST, and its answer is one line on standard output.

No request is sent before the certificate of the service was checked: by its fingerprint, or by an authority of this system. If
the service does not accept our certificate, that is an answer (``refused``), not a lost connection. Run as a program with five
words: host, port, certificate, key, and the fingerprint or an empty word.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import sys
from collections.abc import Sequence
from typing import Final

from portage_ext.asking import protocol
from portage_ext.errors import PortageExtError
from portage_ext.errors.asking import MessageError
from portage_ext.limits import builds as limits

PATH: Final = "/ask"
TYPE: Final = "application/json"
_GONE: Final = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class UnknownServerError(PortageExtError):
    """Another server answers than the one whose fingerprint is known."""

    found: str
    wanted: str

    def __str__(self) -> str:
        return f"its certificate has the fingerprint {self.found}, and `server` in [ask] is {self.wanted}"


class Link(http.client.HTTPSConnection):
    """A connection to the service, which is opened when it is needed."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, server: str) -> None:
        super().__init__(host, port, timeout=limits.ASK_ANSWER, context=context)
        self._server = server
        self._was_answered = False

    def connect(self) -> None:
        """Connect, and check the certificate. Raises UnknownServerError, OSError."""
        super().connect()
        self._was_answered = False
        if not self._server:
            return
        found = hashlib.sha256(self.sock.getpeercert(binary_form=True) or b"").hexdigest()
        if found != self._server:
            self.close()
            raise UnknownServerError(found, self._server)

    def ask(self, line: bytes) -> bytes:
        """The answer to ``line``, with its newline. Raises UnknownServerError, MessageError, OSError, HTTPException."""
        try:
            return self._ask(line)
        except _GONE:
            # The service closes a connection that was quiet for long. A repeated request changes nothing.
            if not self._was_answered:
                raise
            self.close()
            return self._ask(line)

    def _ask(self, line: bytes) -> bytes:
        self.request("POST", PATH, body=line, headers={"Content-Type": TYPE})
        answer = self.getresponse()
        data = answer.read(limits.ASK_LINE + 1)
        if answer.headers.get("Content-Type") != TYPE or not data.endswith(b"\n"):
            raise MessageError(f"the answer has the status {answer.status} and is no line; something else answers there")
        self._was_answered = True
        return data


def context(certificate: str, key: str, server: str) -> ssl.SSLContext:
    """TLS 1.2 or newer, with our certificate. Raises OSError."""
    # The authorities of the system are read only where they are asked: parsing them takes longer than a request.
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if server else ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if server:
        # Link.connect compares the fingerprint instead.
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.load_cert_chain(certificate, key)
    return made


def refusal(line: bytes, certificate: str, error: ssl.SSLError) -> bytes | None:
    """The answer to ``line`` for an alert of the service about our certificate; None for another error."""
    reason = error.reason or ""
    if "ALERT" not in reason or not ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "ACCESS_DENIED" in reason):
        return None
    why = (
        f"it does not accept {certificate}, the certificate of this host ({reason.lower().replace('_', ' ')}). "
        "Its administrator names this certificate in [client.NAME]"
    )
    return protocol.emit({"id": protocol.parse(line)["id"], "refused": "certificate", "why": why})


def trouble(error: Exception) -> str:
    """What went wrong, for the last line on stderr."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({error.verify_message}); name its fingerprint as `server` in [ask]"
        case ssl.SSLError():
            return f"TLS fails: {(error.reason or str(error)).lower().replace('_', ' ')}"
        case _ if isinstance(error, _GONE):
            return "it closed the connection without an answer"
        case OSError():
            return error.strerror or str(error) or type(error).__name__
        case http.client.HTTPException():
            return f"it does not speak HTTP ({type(error).__name__})"
        case _:
            return str(error)


def main(words: Sequence[str]) -> int:
    """Exit status: 0 at the end of the input, 1 if the service is lost."""
    host, port, certificate, key, server = words
    try:
        link = Link(host, int(port), context(certificate, key, server), server)
    except OSError as error:
        print(f"{certificate} and {key} cannot be used: {trouble(error)}", file=sys.stderr)
        return 1
    while line := sys.stdin.buffer.readline(limits.ASK_LINE + 1):
        try:
            answer = link.ask(line)
        except (OSError, http.client.HTTPException, PortageExtError) as error:
            known = refusal(line, certificate, error) if isinstance(error, ssl.SSLError) else None
            if known is None:
                print(trouble(error), file=sys.stderr)
                return 1
            answer = known
            link.close()
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

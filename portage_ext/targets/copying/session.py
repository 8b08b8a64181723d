"""A host is asked for its listing and then for contents, over one connection; all that comes is checked against the listing."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final, Self

from portage_ext import limits
from portage_ext.errors.builds import CaptureError
from portage_ext.limits import builds as bounds
from portage_ext.targets import reach
from portage_ext.targets.copying import listing
from portage_ext.targets.copying.listing import Entry, Left

_MODULE: Final = "portage_ext.targets.copying.sending"


class Session:
    """A connection to a host. ``entries`` and ``left`` are its listing."""

    def __init__(self, words: Sequence[str], where: str, given: bytes) -> None:
        """Start ``words``, which read the package ``given``. Raises CaptureError."""
        self.where = where
        self.entries: list[Entry] = []
        self.left: list[Left] = []
        self._words = words
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        try:
            self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said)
        except OSError as error:
            self._said.close()
            raise CaptureError(where, f"cannot run {words[0]} ({error.strerror})") from error
        self._watchdog = threading.Timer(bounds.COPY_SECONDS, self._process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()
        try:
            self._write(given)
            self._read()
        except BaseException:  # also Ctrl-C: without an object, there is no ``with`` to end the program on the other host
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]
        self._process.wait()
        self._said.close()

    def contents(self, numbers: Sequence[int]) -> Iterator[tuple[Entry, IO[bytes]]]:
        """Yield the entries with these numbers, each with its content, which must be read to its end. Raises CaptureError."""
        self._write(json.dumps(list(numbers)).encode() + b"\n")
        for number in numbers:
            entry = self.entries[number]
            content = _Content(self, entry.size)
            yield entry, content  # type: ignore[misc]
            if content.left:
                raise CaptureError(self.where, f"the content of {entry.path!r} was not read")

    def receive(self, size: int) -> bytes:
        """At most ``size`` bytes of contents. Raises CaptureError at the end."""
        assert self._process.stdout is not None
        block: bytes = self._process.stdout.read(min(size, limits.READ_BLOCK))
        if not block:
            raise self._ended()
        return block

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # why it ended is said when its answer is read
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for count in range(2 * bounds.COPY_FILES):
            line = self._process.stdout.readline(bounds.COPY_LINE + 1)
            if not line.endswith(b"\n"):
                raise self._ended()
            if line.startswith(b"{"):
                if line != json.dumps({"entries": len(self.entries)}).encode() + b"\n" or not count:
                    raise CaptureError(self.where, "its list of files is not complete")
                listing.check(self.entries, self.where)
                return
            found = listing.parse(line, self.where)
            if isinstance(found, Entry):
                self.entries.append(found)
            else:
                self.left.append(found)
        raise CaptureError(self.where, f"it lists more than {bounds.COPY_FILES} files")

    def _ended(self) -> CaptureError:
        self._process.kill()
        status = self._process.wait()
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - bounds.CAPTURE_SAID))
        told = " ".join(self._said.read().decode("utf-8", "replace").split())[-600:]
        name = Path(self._words[0]).name
        return CaptureError(self.where, f"{name} ended with status {status}: {told or 'it said nothing'}")


class _Content:
    def __init__(self, session: Session, size: int) -> None:
        self._session, self.left = session, size

    def read(self, size: int) -> bytes:
        if not self.left or not size:
            return b""
        block = self._session.receive(min(size, self.left))
        self.left -= len(block)
        return block


def over_ssh(host: str, options: Sequence[str] = ()) -> Session:
    """Connect to ``host``, and read its listing. ``options`` are additional ssh options. Raises CaptureError."""
    package = reach.package_zip()
    return Session(reach.on_host(host, options, _MODULE, len(package)), host, package)


def chroot(root: Path) -> Session:
    """The same for the system below ``root`` on this host, which is read with its own Python. Raises CaptureError."""
    package = reach.package_zip(compressed=False)
    return Session(reach.in_chroot(root.resolve(), _MODULE, len(package)), str(root), package)

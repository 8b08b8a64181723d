"""The coordinator talks to ``in_buildbot/master.py`` over a socket, with one JSON object per line in each direction."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from portage_ext.errors.swarm import SwarmError
from portage_ext.limits import swarm as bounds

_BLOCK: Final = 1 << 16


class Link:
    """A connection to the socket ``path``. All methods raise SwarmError if Buildbot has ended."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._rest = b""
        self._socket.settimeout(bounds.CONNECT)
        # The path of a socket may have only 107 bytes, and the path of the root may be long. So connect through a descriptor.
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._socket.connect(f"/proc/self/fd/{directory}/{path.name}")
        except OSError as error:
            self._socket.close()
            raise _gone(error) from error
        finally:
            os.close(directory)

    def close(self) -> None:
        self._socket.close()

    def say(self, do: str, **values: Any) -> None:
        """Send a request to Buildbot."""
        try:
            self._socket.sendall(json.dumps({"do": do, **values}).encode() + b"\n")
        except OSError as error:
            raise _gone(error) from error

    def events(self, wait: float) -> Iterator[dict[str, Any]]:
        """Yield the events from Buildbot; wait for them for at most ``wait`` seconds."""
        readable, _, _ = select.select([self._socket], [], [], wait)
        while readable:
            try:
                block = self._socket.recv(_BLOCK)
            except OSError as error:
                raise _gone(error) from error
            if not block:
                raise _gone(None)
            *lines, self._rest = (self._rest + block).split(b"\n")
            if len(self._rest) > bounds.LINE:
                raise SwarmError("Buildbot sent a line without an end", "Start the coordinator again.")
            for line in lines:
                yield json.loads(line)
            readable, _, _ = select.select([self._socket], [], [], 0)


def _gone(error: OSError | None) -> SwarmError:
    return SwarmError(f"Buildbot's master does not answer ({error or 'it has ended'})", "It is started again.")

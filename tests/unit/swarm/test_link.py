"""The socket to Buildbot: lines come whole, and an end is an error that says so."""

from __future__ import annotations

import contextlib
import json
import socket
from pathlib import Path

import pytest

from portage_ext.errors.swarm import SwarmError
from portage_ext.swarm.link import Link


def test_lines_come_whole_however_they_are_cut(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        with contextlib.chdir(deep):
            server.bind("sock")
        server.listen()
        link = Link(deep / "sock")
        with server.accept()[0] as other:
            link.say("cancel", id="a")
            assert json.loads(other.recv(1000)) == {"do": "cancel", "id": "a"}
            other.sendall(b'{"event": "a"}\n{"eve')
            assert list(link.events(5)) == [{"event": "a"}]
            other.sendall(b'nt": "b"}\n')
            assert list(link.events(5)) == [{"event": "b"}]
            assert list(link.events(0)) == []
        with pytest.raises(SwarmError, match="Buildbot's master does not answer"):
            list(link.events(5))
        link.close()


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(SwarmError, match="does not answer"):
        Link(tmp_path / "sock")

"""Buildbot's master is a child process of the coordinator; its directory is created at each start, and it is killed with it.

Only the ledger has lasting state. Buildbot's own database is empty at each start, so it cannot contradict the ledger after a
crash, and it does not grow. Buildbot runs ``in_buildbot/master.py``, which is copied as ``master.cfg``.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.config.swarm import Swarm
from portage_ext.errors.swarm import SwarmError
from portage_ext.limits import swarm as bounds

_SIDE: Final = Path(__file__).with_name("in_buildbot")
_PR_SET_PDEATHSIG: Final = 1
_NO_PAGE: Final = "the web page needs buildbot-www"
"""What in_buildbot/master.py says into the log if Buildbot has no web page."""
_TAC: Final = """\
import os

from buildbot.master import BuildMaster
from twisted.application import service

basedir = os.path.abspath(os.path.dirname(__file__))
# Buildbot knows its directories by this line.
application = service.Application('buildmaster')
master = BuildMaster(basedir, "master.cfg", None)
master.setServiceParent(application)
"""


@dataclass(slots=True)
class Master:
    """Buildbot's master in ``directory``, run with the Buildbot from ``settings``."""

    directory: Path
    settings: Swarm
    certificate: Path
    _process: subprocess.Popen[bytes] | None = None
    _nobody: str = field(default_factory=lambda: secrets.token_hex(32))

    @property
    def socket(self) -> Path:
        return self.directory / "master.sock"

    def write(self, builders: Mapping[str, str]) -> None:
        """Write the list of builders (name to secret). Raises OSError."""
        place = self.settings
        text = {
            "port": ":".join(
                (
                    f"ssl:{place.port}",
                    f"interface={_escaped(place.address)}",
                    f"privateKey={_escaped(str(self.certificate / 'key.pem'))}",
                    f"certKey={_escaped(str(self.certificate / 'cert.pem'))}",
                )
            ),
            "probe": bounds.PROBE,
            "lost": bounds.SILENT,
            "builders": dict(builders),
            "nobody": self._nobody,
            "web": {"port": f"tcp:{place.web}:interface=127.0.0.1", "url": place.page} if place.web else None,
        }
        files.replace_file(self.directory / "swarm.json", json.dumps(text).encode(), mode=0o600)

    def start(self, builders: Mapping[str, str]) -> None:
        """Start the master and wait until it answers. Raises SwarmError, OSError."""
        files.make_directory(self.directory, 0o700)
        for name in ("master.sock", "twistd.pid"):
            (self.directory / name).unlink(missing_ok=True)
        self.write(builders)
        files.replace_file(self.directory / "master.cfg", (_SIDE / "master.py").read_bytes(), mode=0o600)
        files.replace_file(self.directory / "buildbot.tac", _TAC.encode(), mode=0o600)
        self._fresh_database()
        with open(self.directory / "twistd.log", "wb") as log:
            words = [program("twistd", self.settings.buildbot), "--nodaemon", "--no_save", "--pidfile=", "-y", "buildbot.tac"]
            self._process = subprocess.Popen(
                words, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(),
                start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip
        until = time.monotonic() + bounds.START
        while not self.socket.exists():
            if not self.is_running() or time.monotonic() > until:
                written = self.directory / "twistd.log"
                raise self._trouble(_end(written), "Buildbot does not start", f"Its log: {written}.")
            time.sleep(0.05)

    def _trouble(self, said: str, why: str, todo: str) -> SwarmError:
        """Buildbot has ended and ``said`` something. If it does not lack its web page, ``why`` and ``todo`` are for people."""
        if _NO_PAGE not in said:
            return SwarmError(f"{why}: {said}", todo)
        where = "for the same Python as buildbot" if self.settings.buildbot is None else f"in {self.settings.buildbot}"
        return SwarmError(
            f"[swarm] web = {self.settings.web} asks for the web page of Buildbot, but buildbot-www is not installed",
            f"Install buildbot-www {where}, in the same version, or remove `web` from [swarm].",
        )

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop the master. The builders then stop their builds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(bounds.END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _fresh_database(self) -> None:
        """Create an empty database for this version of Buildbot. It is created once and then copied."""
        buildbot = program("buildbot", self.settings.buildbot)
        said = subprocess.run([buildbot, "--version"], capture_output=True, text=True, env=environment(), check=False)
        template, stamp = self.directory / "empty.sqlite", self.directory / "empty.version"
        for path in self.directory.glob("state.sqlite*"):
            path.unlink()
        if not template.exists() or not stamp.exists() or stamp.read_text() != said.stdout:
            done = subprocess.run(
                [buildbot, "upgrade-master", "--quiet", str(self.directory)],
                capture_output=True,
                text=True,
                env=environment(),
                check=False,
            )
            if done.returncode:
                told = " ".join((done.stdout + done.stderr).split())[-400:]
                todo = f"Try `buildbot upgrade-master {self.directory}`."
                raise self._trouble(told, "Buildbot cannot make its database", todo)
            with contextlib.suppress(FileNotFoundError):
                (self.directory / "master.cfg.sample").unlink()
            os.rename(self.directory / "state.sqlite", template)
            stamp.write_text(said.stdout)
        for path in self.directory.glob("state.sqlite*"):
            path.unlink()
        shutil.copyfile(template, self.directory / "state.sqlite")


def program(name: str, prefix: Path | None) -> str:
    """Find a program of Buildbot. Raises SwarmError."""
    found = str(prefix / "bin" / name) if prefix is not None else shutil.which(name)
    if found is None or not os.access(found, os.X_OK):
        raise SwarmError(
            f"there is no {found or name}",
            "Install dev-util/buildbot (on a builder dev-util/buildbot-worker), or make a virtual environment with it and name "
            'that in portage-ext.toml: [swarm] buildbot = "/opt/buildbot".',
        )
    return found


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies. A child calls this before exec or later."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def environment(*kept: str) -> dict[str, str]:
    """The environment of Buildbot. It has none of our, Portage's or the administrator's variables except those in ``kept``."""
    found = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    return found | {name: os.environ[name] for name in kept if name in os.environ}


def _escaped(text: str) -> str:
    """Escape ``text`` for the description of a Twisted endpoint (twisted.internet.endpoints)."""
    return text.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")


def _end(log: Path) -> str:
    try:
        return " ".join(log.read_text(errors="replace").split())[-500:]
    except OSError:
        return "it wrote no log"

"""A builder joins a coordinator once; then it connects to it, reports its abilities, and builds one job after the other.

It has no signing key. Buildbot's worker holds the connection. This process writes the labels to a file every few seconds,
restarts the worker if it ends, and stops it cleanly.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import files, locks
from portage_ext.errors import PortageExtError, UsageError
from portage_ext.errors.swarm import SwarmError
from portage_ext.host import cpu
from portage_ext.limits import builds as limits
from portage_ext.limits import swarm as bounds
from portage_ext.swarm import certificate
from portage_ext.swarm.labels import Labels
from portage_ext.swarm.master import die_with_parent, environment, program
from portage_ext.swarm.tokens import Token
from portage_ext.targets.differences import identity
from portage_ext.targets.store import Store
from portage_ext.tasks.site import Site
from portage_ext.words import size

DIRECTORY: Final = "var/lib/portage-ext/builder"
_SIDE: Final = Path(__file__).with_name("in_buildbot")
_DRAINING: Final = "draining"
_CONNECTION: Final = "connection"
"""The file in which the worker writes why it cannot connect. It is empty if the worker is connected."""
_LOOK: Final = 0.2
_LABELS: Final = 2.0
_PORT: Final = 9989
_ROOTS: Final = ("EPREFIX", "EROOT", "PORTAGE_CONFIGROOT", "PORTAGE_OVERRIDE_EPREFIX", "ROOT")
"""The variables that select the system; builds run with the same values."""


@dataclass(frozen=True, slots=True)
class Address:
    """The host and port of a coordinator."""

    host: str
    port: int


def address(url: str) -> Address:
    """Parse ``tls://HOST[:PORT]`` or ``HOST[:PORT]``. Raises UsageError."""
    rest = url.removeprefix("tls://").rstrip("/")
    host, colon, port = rest.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = rest, str(_PORT)
    host = host.strip("[]")
    if (
        not host
        or any(one in host for one in " /@\\'\"")
        or not port.isascii()
        or not port.isdigit()
        or not 0 < int(port) < 2**16
    ):
        raise UsageError(f"{url!r} is no address of a coordinator, such as tls://builds.example:9989")
    return Address(host, int(port))


@dataclass(frozen=True, slots=True)
class Joined:
    """This machine as a builder that has joined a coordinator, or is about to join."""

    site: Site

    @property
    def directory(self) -> Path:
        return self.site.eroot / DIRECTORY

    @property
    def name(self) -> str:
        """The name of this builder at the coordinator. Raises SwarmError."""
        try:
            return str(json.loads((self.directory / "builder.json").read_bytes())["name"])
        except (OSError, ValueError, KeyError) as error:
            raise SwarmError(
                "this machine has not joined a coordinator", "Run `portage-ext builder join URL --token-file F`."
            ) from error

    def join(self, where: Address, token: Token, command: Sequence[str]) -> None:
        """Pin the certificate that the token names, and write the configuration for the connection.

        Raises CertificateError, SwarmError, OSError."""
        program("twistd", self.site.settings.swarm.buildbot)
        text = certificate.fetch(where.host, where.port, token.fingerprint)
        files.make_directory(self.directory, 0o700)
        trusted = self.directory / "coordinator"
        files.make_directory(trusted, 0o700)
        files.replace_file(trusted / "cert.pem", text.encode(), mode=0o600)
        endpoint = _escaped(f"tcp:{_escaped(where.host)}:{where.port}")
        values = {
            "name": token.name,
            "secret": token.secret,
            "lost": bounds.PROBE + bounds.SILENT,
            "connection": f"tls:{certificate.NAME}:0:endpoint={endpoint}:trustRoots={_escaped(str(trusted))}",
            "command": list(command),
        }
        files.replace_file(self.directory / "builder.json", json.dumps(values).encode(), mode=0o600)
        (self.directory / _DRAINING).unlink(missing_ok=True)

    def drain(self, why: str) -> None:
        """Take no more jobs; with an empty ``why``, take jobs again."""
        if why:
            files.replace_file(self.directory / _DRAINING, f"{why}\n".encode(), mode=0o600)
        else:
            (self.directory / _DRAINING).unlink(missing_ok=True)

    def closed(self) -> str:
        """Why this machine takes no jobs now; empty if it takes jobs."""
        draining = self.directory / _DRAINING
        if draining.exists():
            return draining.read_text(encoding="utf-8").strip() or "it is draining"
        free = shutil.disk_usage(self.directory).free
        least = self.site.settings.swarm.free_disk
        if free < least:
            return f"its disk is short: {size(free)} are free, and it keeps {size(least)} ([swarm] free-disk-mib)"
        return ""

    def trouble(self) -> str:
        """Why there is no connection; empty if there is one, as far as the worker last reported."""
        try:
            return (self.directory / _CONNECTION).read_text(encoding="utf-8")[: bounds.TEXT]
        except FileNotFoundError:
            return "not connected yet"

    def labels(self) -> Labels:
        """The current labels of this machine."""
        here = cpu.here()
        store = Store(self.site.eroot)
        return Labels(
            machine=here.machine,
            model=here.name[: bounds.TEXT],
            features=here.features,
            level=here.level or 0,
            cpus=os.cpu_count() or 1,
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            disk=shutil.disk_usage(self.directory).free,
            load=os.getloadavg()[0] / (os.cpu_count() or 1),
            targets={name: _identity(store, name, os.readlink(store.directory / name)) for name in store.names()},
            closed=self.closed(),
        )

    def run(self, say: Callable[[str], None], stopping: Callable[[], bool]) -> None:
        """Work until ``stopping`` returns True, then wait up to [swarm] wait-seconds for a running build.

        Raises PortageExtError, OSError.
        """
        name = self.name
        twistd = program("twistd", self.site.settings.swarm.buildbot)
        with locks.held(self.directory / ".lock", 0):
            files.replace_file(self.directory / "builder.tac", (_SIDE / "worker.py").read_bytes(), mode=0o600)
            (self.directory / _CONNECTION).unlink(missing_ok=True)
            known, closed = self._write_labels(""), self.closed()
            written = time.monotonic()
            worker = self._start(twistd)
            say(f"builder {name} runs")
            began, told = time.monotonic(), "not connected yet"
            try:
                while not stopping():
                    time.sleep(_LOOK)
                    if worker.poll() is not None:
                        say(f"Buildbot's worker has ended; its log: {self.directory}/twistd.log")
                        time.sleep(max(0.0, bounds.TICK * 4 - (time.monotonic() - began)))
                        worker, began = self._start(twistd), time.monotonic()
                    if (trouble := self.trouble()) != told:
                        say(trouble or "connected to the coordinator")
                        told = trouble
                    before, closed = closed, self.closed()
                    if bool(before) != bool(closed) or time.monotonic() - written > _LABELS:
                        known, written = self._write_labels(known), time.monotonic()
                self._end(worker, say)
            finally:
                if worker.poll() is None:
                    worker.kill()
                    worker.wait()

    def _start(self, twistd: str) -> subprocess.Popen[bytes]:
        with open(self.directory / "twistd.log", "wb") as log:
            return subprocess.Popen(
                [twistd, "--nodaemon", "--no_save", "--pidfile=", "-y", "builder.tac"], cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(*_ROOTS), start_new_session=True,
                preexec_fn=die_with_parent,
            )  # fmt: skip

    def _end(self, worker: subprocess.Popen[bytes], say: Callable[[str], None]) -> None:
        """Ask the coordinator for no more jobs, and wait for a running build for a limited time."""
        patience = self.site.settings.swarm.wait
        say(f"no further jobs are taken; a running build has {patience:.0f} s to end, then another builder does it")
        worker.send_signal(signal.SIGHUP)
        try:
            worker.wait(patience)
        except subprocess.TimeoutExpired:
            worker.terminate()
            try:
                worker.wait(limits.BUILD_END)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def _write_labels(self, before: str) -> str:
        try:
            text = self.labels().emit()
        except (PortageExtError, OSError) as error:
            text = Labels(machine=platform.machine(), closed=f"it cannot say what it is: {error}"[: bounds.TEXT]).emit()
        if text != before:
            files.replace_file(self.directory / "labels.json", text.encode(), mode=0o600, lasting=False)
        return text


@functools.lru_cache(maxsize=limits.CAPTURE_LIST)
def _identity(store: Store, name: str, capture: str) -> str:
    """The digest of an environment. It can be cached, because a named capture never changes."""
    return identity(store.load(name))


def _escaped(text: str) -> str:
    """Escape ``text`` for the description of a Twisted endpoint (twisted.internet.endpoints)."""
    return text.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")

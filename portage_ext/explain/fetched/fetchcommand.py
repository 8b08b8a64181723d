"""A package fetched as emerge fetches it, but into another directory: by the fetchcommand of its binrepo or of make.conf.

``_emerge.BinpkgFetcher`` is the authority for which command, which words and which environment. It cannot be run itself: it
chooses the file by its binarytree, and it would wait for ever.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlparse

from portage.util import varexpand

from portage_ext import shown
from portage_ext.limits import MIB, TRIAL_LINES, TRIAL_SAID

_POLL: Final = 0.05


@dataclass(frozen=True, slots=True)
class Ended:
    """How a fetch ended: exit status (None: it was stopped at ``seconds``), and its last lines."""

    status: int | None
    said: tuple[str, ...]


def uri_of(entry: Mapping[str, str]) -> str:
    """Where the package of an index entry is; with the password of its URL, if it has one."""
    return entry["BASE_URI"].rstrip("/") + "/" + entry["PATH"].lstrip("/")


def command(settings: Any, entry: Mapping[str, str], directory: str) -> list[str]:
    """The words that fetch the package of ``entry`` into ``directory``; empty when emerge copies it itself."""
    uri = uri_of(entry)
    protocol = urlparse(uri).scheme
    if protocol in ("", "file"):
        return []
    words = entry.get("FETCHCOMMAND") or settings.get(f"FETCHCOMMAND_{protocol.upper()}") or settings.get("FETCHCOMMAND") or ""
    variables = {"DISTDIR": directory, "URI": uri, "FILE": f"{os.path.basename(entry['PATH'])}.partial"}
    if settings.get("PORTAGE_SSH_OPTS") is not None:
        variables["PORTAGE_SSH_OPTS"] = settings["PORTAGE_SSH_OPTS"]
    return [varexpand(word, mydict=variables) for word in shlex.split(words)]


def by_hand(settings: Any, entry: Mapping[str, str]) -> str:
    """The same command, for a shell, into the directory for temporary files; a password has to be put in."""
    directory = tempfile.gettempdir()
    copy = ["cp", urlparse(uri_of(entry)).path, directory]
    return shown.line(shlex.join(command(settings, entry, directory) or copy))


def fetch(settings: Any, entry: Mapping[str, str], directory: Path, *, size: int, seconds: float) -> Ended:
    """Fetch the package of ``entry`` into ``directory``, for ``seconds`` at most, and ``size`` bytes and little more."""
    words = command(settings, entry, str(directory))
    if not words:
        try:
            shutil.copyfile(urlparse(uri_of(entry)).path, directory / f"{os.path.basename(entry['PATH'])}.partial")
        except OSError as error:
            return Ended(1, (f"{error.filename}: {error.strerror}",))
        return Ended(0, ())
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(settings.items()),
                start_new_session=True,
            )
        except OSError as error:
            return Ended(127, (f"{words[0]}: {error.strerror}",))
        status = _wait(process, directory, size + MIB, seconds)
        output.seek(max(0, output.seek(0, os.SEEK_END) - TRIAL_SAID))
        text = output.read(TRIAL_SAID).decode("utf-8", "replace")
    return Ended(status, _last(text))


def _wait(process: subprocess.Popen[bytes], directory: Path, size: int, seconds: float) -> int | None:
    """The exit status; None when the time was up. What is larger than it may be is cut off: it is wrong whatever follows."""
    until = time.monotonic() + seconds
    try:
        while True:
            try:
                return process.wait(_POLL)
            except subprocess.TimeoutExpired:
                if time.monotonic() > until:
                    return None
                if _used(directory) > size:
                    return 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _used(directory: Path) -> int:
    """Bytes in ``directory``, whatever names the fetcher gives its files meanwhile."""
    used = 0
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):
            used += path.stat().st_size
    return used


def _last(text: str) -> tuple[str, ...]:
    """The last lines for people: as a terminal would show them, fit to be shown."""
    lines = (line.rpartition("\r")[2].strip() for line in text.replace("\r\n", "\n").split("\n"))
    told = [shown.line(line[:4096])[:400] for line in lines if line]
    return tuple(told[-TRIAL_LINES:])

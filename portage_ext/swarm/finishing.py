"""Results from builders are checked and published in a separate thread, because a check may take minutes.

The result of a builder is untrusted. It is stored in the same layout as the output of a local build, and ``builds/accepting``
decides in the same way.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import files
from portage_ext.builds import performing
from portage_ext.builds.accepting import accept
from portage_ext.builds.ledger.entries import Attempt
from portage_ext.builds.means import Means
from portage_ext.builds.workshop import workshop
from portage_ext.errors import PortageExtError
from portage_ext.model import GPKG_SUFFIX, Cpv
from portage_ext.tasks.site import Site

_TO_BUILDER: Final = frozenset(("builder", "checks"))
"""The kinds of failures that are the fault of the builder, not of the package or the target."""


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt that was checked. ``blamed`` says what its builder did wrong; empty if nothing."""

    attempt: Attempt
    builder: str
    blamed: str = ""


class Finisher:
    """The thread. It opens its own ledger, because an SQLite connection must not be shared between threads."""

    def __init__(self, site: Site, say: Callable[[str], None]) -> None:
        self._site, self._say = site, say
        self._waiting: queue.Queue[tuple[Attempt, str, Path] | None] = queue.Queue()
        self._done: queue.SimpleQueue[Finished] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="finisher")
        self._publish = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish all queued work and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def put(self, attempt: Attempt, builder: str, directory: Path) -> None:
        """Queue ``directory`` to be checked. It has ``report.json`` and the package ``result``, and is deleted afterwards."""
        self._waiting.put((attempt, builder, directory))

    def publish(self) -> None:
        """Publish the results that were already checked."""
        self._publish.set()

    def done(self) -> list[Finished]:
        """The attempts that were checked since the last call."""
        found: list[Finished] = []
        while not self._done.empty():
            found.append(self._done.get())
        return found

    def _run(self) -> None:
        with workshop(self._site) as shop:
            while True:
                try:
                    one = self._waiting.get(timeout=1)
                except queue.Empty:
                    one = ()  # type: ignore[assignment]
                if one is None:
                    return
                try:
                    if one:
                        attempt, builder, directory = one
                        blamed = self._judge(shop.means, attempt, directory)
                        self._done.put(Finished(attempt, builder, blamed))
                    if one or self._publish.is_set():
                        self._publish.clear()
                        for done in shop.publish():
                            if done.line:
                                self._say(done.line)
                except (PortageExtError, OSError) as error:
                    self._say(f"what a builder brought is not published yet: {error}")

    def _judge(self, means: Means, attempt: Attempt, directory: Path) -> str:
        """Check one result. Returns what the builder did wrong; empty if nothing."""
        if not means.ledger.is_current(attempt):
            shutil.rmtree(directory, ignore_errors=True)
            return ""
        lay_out(directory, Cpv.parse(means.ledger.get(attempt.key).job.cpv))
        accept(means, attempt, directory)
        shutil.rmtree(directory, ignore_errors=True)
        tried = means.ledger.attempt(attempt.key, attempt.fence)
        return tried.outcome if tried.failure in _TO_BUILDER else ""


def lay_out(directory: Path, cpv: Cpv) -> None:
    """Move the file ``result`` to the path where emerge would create a package of this version. Raises OSError."""
    result = directory / "result"
    packages = directory / performing.PACKAGES
    files.make_directory(packages, 0o700)
    if result.is_file() and result.stat().st_size:
        place = packages / cpv.category / cpv.pn / f"{cpv.pf}-1{GPKG_SUFFIX}"
        place.parent.mkdir(parents=True)
        os.rename(result, place)

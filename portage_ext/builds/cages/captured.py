"""An environment of layers is captured in a cage: its programs came from another host and never run outside of one.

The layers are compared with their lists meanwhile.
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Final, Self

from portage_ext.builds.cages import isolation
from portage_ext.builds.cages.cage import Bounds
from portage_ext.builds.cages.environment import PACKAGE, PKGDIR, Environment
from portage_ext.builds.cages.scratches import scratch
from portage_ext.builds.places import Places
from portage_ext.errors import PortageExtError
from portage_ext.errors.builds import CaptureError
from portage_ext.limits import GIB, MIB
from portage_ext.limits import builds as limits
from portage_ext.targets import capture
from portage_ext.targets.capture import Target

_BOUNDS: Final = Bounds(2 * GIB, 500, 256 * MIB, limits.CAPTURE_SECONDS, limits.CAPTURE_SIZE)
_MODULE: Final = "portage_ext.targets.collect"


class Caged:
    """A capture that has begun. As a context manager, it ends the cage if nobody waited for it."""

    def __init__(self, place: Environment, python: str = "") -> None:
        """``python`` is the Python of the environment; empty: that of its target's emerge."""
        self._place = place
        self._python = python or place.target.emerge[0]
        self._given_up = threading.Event()
        self._found: Target | PortageExtError | OSError | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._given_up.set()
        self._thread.join()

    def target(self) -> Target:
        """Wait for its end and return what it captured. Raises BlockedError, CaptureError, InvalidBuilderError, OSError."""
        assert self._place.stack is not None
        if missing := self._place.stack.missing():
            raise self._place.lost(missing)
        self._thread.join()
        if not isinstance(self._found, Target):
            raise self._found or CaptureError(self._place.name, "its capture was given up")
        return self._found

    def _work(self) -> None:
        try:
            self._found = self._captured()
        except (PortageExtError, OSError) as error:
            self._found = error

    def _captured(self) -> Target:
        place = self._place
        assert place.stack is not None
        with scratch(Places.of(place.stack.store.parent)) as directory, tempfile.TemporaryFile() as log:
            out = directory / "out"
            out.mkdir()
            words = ("sh", "-c", 'mkdir -p "$0" && exec "$@" >"$0/capture"', PKGDIR, self._python, "-m", _MODULE)
            cage = place.cage((), directory / "root", words, _BOUNDS)
            # Nothing but what the environment itself says may be in the capture.
            environment = {
                "HOME": "/root",
                "LC_ALL": "C.UTF-8",
                "PATH": cage.environment["PATH"],
                "PORTAGE_OVERRIDE_EPREFIX": cage.environment["PORTAGE_OVERRIDE_EPREFIX"],
                "PYTHONPATH": PACKAGE,
            }
            cage = cage._replace(environment=environment, results=PKGDIR, out=str(out))
            ended = isolation.run(cage, log, cancelled=self._given_up.is_set)
            return self._parsed(out / "capture", ended)

    def _parsed(self, path: Path, ended: isolation.Ended) -> Target:
        where = f"the environment of {self._place.name}"
        if not path.is_file() or not path.stat().st_size:
            said = " ".join(ended.said[-limits.CAPTURE_SAID :].decode("utf-8", "replace").split())[-600:]
            raise CaptureError(where, f"its Python ended with status {ended.status}: {said or 'it said nothing'}")
        with path.open("rb") as file:
            return capture.parse(file.read(limits.CAPTURE_SIZE + 1), where)

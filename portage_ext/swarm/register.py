"""The builders of a coordinator are in one file, which only root may read because it has their secrets.

Commands change it under a lock. A running coordinator notices the change and tells Buildbot, which adds and removes builders
while others build. No restart is needed.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from portage_ext import files, locks
from portage_ext.errors.swarm import SwarmError
from portage_ext.limits import builds as limits
from portage_ext.limits import swarm as bounds
from portage_ext.swarm import certificate
from portage_ext.swarm.tokens import Token, checked_name, new_secret

DIRECTORY: Final = "var/lib/portage-ext/swarm"
DRAINED: Final = "drained"
"""A file in the directory of the register with the reason why no builder gets jobs. If it does not exist, builders get jobs."""


@dataclass(frozen=True, slots=True)
class Known:
    """A builder: ``group`` is who runs it, ``closed`` says why it gets no jobs (empty: it gets jobs), ``failures`` is the
    number of failures in a row."""

    secret: str
    group: str = ""
    closed: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Register:
    """The register below ``directory``, with the coordinator's certificate beside it."""

    directory: Path

    @classmethod
    def below(cls, eroot: Path) -> Register:
        return cls(eroot / DIRECTORY)

    @property
    def path(self) -> Path:
        return self.directory / "builders.json"

    def set_up(self) -> str:
        """Create the directory and the certificate unless they exist. Returns the fingerprint. Raises SwarmError, OSError."""
        files.make_directory(self.directory, 0o700)
        certificate.make(self.directory)
        if not self.path.exists():
            files.replace_file(self.path, b"{}\n", mode=0o600)
        return certificate.fingerprint(self.directory / "cert.pem")

    def read(self) -> dict[str, Known]:
        """Read the builders by name. Raises SwarmError, OSError."""
        try:
            found = json.loads(self.path.read_bytes())
            return {name: Known(**values) for name, values in found.items()}
        except FileNotFoundError:
            raise SwarmError("this host is no coordinator", "Run `portage-ext coordinator setup`.") from None
        except (ValueError, TypeError) as error:
            raise SwarmError(
                f"{self.path} cannot be read ({error})", "Restore it, or remove it and add the builders."
            ) from error

    def stamp(self) -> tuple[int, int]:
        """A value that changes whenever the register changes."""
        with contextlib.suppress(OSError):
            found = self.path.stat()
            return found.st_mtime_ns, found.st_ino
        return 0, 0

    def add(self, name: str, group: str = "") -> Token:
        """Add a builder with a new secret. If the name exists, its old secret becomes invalid.

        Raises SwarmError, OSError, UsageError."""
        fingerprint = self.set_up()
        token = Token(checked_name(name), new_secret(), fingerprint)
        self._change(lambda known: {**known, name: Known(token.secret, group)})
        return token

    def remove(self, name: str) -> None:
        """Forget a builder. Raises SwarmError, OSError."""
        self._named(name)
        self._change(lambda known: {one: values for one, values in known.items() if one != name})

    def close(self, name: str, why: str) -> None:
        """Give a builder no more jobs; with an empty ``why``, give it jobs again. Raises SwarmError, OSError."""
        self._named(name)
        self._change(lambda known: {**known, name: replace(known[name], closed=why, failures=0)})

    def count(self, name: str, *, failed: bool) -> str:
        """Count a success or failure of a builder. After bounds.ASIDE failures in a row it is closed.

        Returns why it is closed; empty if it is not.

        Raises SwarmError, OSError.
        """
        known = self.read().get(name)
        if known is None or known.failures == failed == 0:
            return known.closed if known else ""
        failures = known.failures + 1 if failed else 0
        closed = known.closed
        if failures >= bounds.ASIDE and not closed:
            closed = f"it failed {failures} times in a row; `portage-ext coordinator resume {name}` gives it jobs again"
        self._change(lambda every: {**every, name: replace(every[name], failures=failures, closed=closed)})
        return closed

    def _named(self, name: str) -> None:
        if name not in (known := self.read()):
            raise SwarmError(f"there is no builder {name}", f"There is: {', '.join(sorted(known)) or 'none yet'}.")

    def _change(self, change: Callable[[Mapping[str, Known]], Mapping[str, Known]]) -> None:
        with locks.held(self.directory / ".register.lock", limits.LEDGER_WAIT):
            found = change(self.read())
            text = json.dumps({name: asdict(one) for name, one in sorted(found.items())}, indent=1)
            files.replace_file(self.path, text.encode() + b"\n", mode=0o600)

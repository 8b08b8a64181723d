"""The directories of builds. A command that only reads the ledger imports this module, and nothing that builds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

STATE: Final = "var/lib/portage-ext/builds"
LEDGER: Final = "ledger.sqlite"


@dataclass(frozen=True, slots=True)
class Places:
    """The directories of builds: ``state`` has the ledger, logs and results; ``scratch`` has temporary files of attempts."""

    state: Path
    scratch: Path
    distfiles: Path

    @classmethod
    def below(cls, eroot: Path) -> Places:
        """The directories for builds on the system below ``eroot``."""
        return cls.of(eroot / STATE)

    @classmethod
    def of(cls, state: Path) -> Places:
        """The directories below ``state``."""
        return cls(state, state / "scratch", state / "distfiles")

    @property
    def ledger(self) -> Path:
        return self.state / LEDGER

    @property
    def incoming(self) -> Path:
        return self.state / "incoming"

    @property
    def layers(self) -> Path:
        return self.state / "layers"

    def log(self, key: str, fence: int) -> str:
        """The path of the log of an attempt, to which every engine appends."""
        return str(self.state / "log" / f"{key[:16]}.{fence}.log")

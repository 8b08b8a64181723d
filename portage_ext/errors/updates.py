"""What can go wrong in an update as a whole; each step has its own result beside."""

from __future__ import annotations

from portage_ext.errors import PortageExtError


class RunningUpdateError(PortageExtError):
    """Another update runs, or a command of an update that was killed. ``who`` is the process that holds the lock."""

    lock: str
    who: str

    def __str__(self) -> str:
        return f"another update is running: {self.who} holds {self.lock}. Wait for it; two updates cannot run at the same time"


class StepError(PortageExtError):
    """A step of an update could not be done."""

    step: str
    why: str
    todo: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (f"{self.why.removesuffix('.')}.", self.todo)))

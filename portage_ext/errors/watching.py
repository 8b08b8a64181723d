"""What can go wrong while a running emerge is watched."""

from __future__ import annotations

from portage_ext.errors import PortageExtError


class WatchFileError(PortageExtError):
    """The report of a running emerge cannot be read."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}. If no emerge of another portage-ext is running, remove it"


class NothingRunningError(PortageExtError):
    """No running emerge reports its progress; ``pid`` is the requested process, if any."""

    directory: str
    pid: int | None = None

    def __str__(self) -> str:
        what = f"no emerge with process id {self.pid}" if self.pid is not None else "no emerge"
        return (
            f"{what} that reports what it does is running (looked in {self.directory}). An emerge reports while it merges, if "
            "portage-ext was installed when it began and [watch] publish is not false"
        )

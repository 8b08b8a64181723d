"""The git clone of an overlay is partial and sparse: all file names are known, and only the requested files are fetched.

git runs as the sync-user, who owns the clone, and no git hook is run.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext.errors.repositories import RepositoryError
from portage_ext.limits import repositories as limits
from portage_ext.repositories.user import User

CLONE_OPTIONS: Final = ("--filter=blob:none", "--sparse")
"""Options of `git clone` for a clone whose files are fetched only when they are needed."""
_SAFE: Final = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
_SPECIAL: Final = re.compile(r"([\\*?\[\]!# ])")


@dataclass(frozen=True, slots=True)
class Checkout:
    """The clone in the directory ``store``."""

    store: Path
    user: User
    environment: Mapping[str, str]

    def revision(self) -> str:
        """The commit that is checked out. Raises RepositoryError."""
        return self._git("rev-parse", "HEAD").decode("ascii", "replace").strip()

    def names(self) -> list[str]:
        """The path of every file of that commit. Raises RepositoryError."""
        data = self._git("ls-tree", "-r", "-z", "--name-only", "HEAD")
        return [os.fsdecode(name) for name in data.split(b"\0") if name]

    def show(self, patterns: Iterable[str]) -> None:
        """Check out only the files at or below the paths ``patterns``. Raises RepositoryError."""
        lines = sorted({"/" + _SPECIAL.sub(r"\\\1", one) for one in patterns})
        self._git("sparse-checkout", "set", "--no-cone", "--stdin", said=os.fsencode("".join(f"{one}\n" for one in lines)))

    def _git(self, *words: str, said: bytes = b"") -> bytes:
        other = self.user.is_other
        command: Sequence[str] = ("git", *_SAFE, *words)
        try:
            done = subprocess.run(
                command,
                cwd=self.store,
                env={**self.environment, "GIT_TERMINAL_PROMPT": "0", "GIT_CEILING_DIRECTORIES": str(self.store.parent)},
                input=said,
                capture_output=True,
                timeout=limits.OVERLAY_GIT_SECONDS,
                user=self.user.uid if other else None,
                group=self.user.gid if other else None,
                extra_groups=list(self.user.groups) if other else None,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RepositoryError(str(self.store), f"git {words[0]}: {error}", "Sync again") from error
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().split("\n")[-1]
            raise RepositoryError(str(self.store), f"git {words[0]}: {last}", f"Sync again; if it stays, remove {self.store}")
        return done.stdout

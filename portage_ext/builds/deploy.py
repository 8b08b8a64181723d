"""Packages are built here and installed on another host only if that host would merge exactly the builds made for it.

The emerge of that host is run over ssh. Installing starts only if every requested package is published *and* that emerge would
use exactly that build of each. Another build of the same version is not accepted.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portage_ext import limits
from portage_ext.builds.ledger.entries import Entry
from portage_ext.config.building import DeployHost
from portage_ext.errors.builds import DeployError
from portage_ext.limits import builds as bounds
from portage_ext.model import GPKG_SUFFIX

_LINE: Final = re.compile(r"^\[(?P<kind>ebuild|binary)[^\]]{0,40}\] +(?P<cpv>[^\s:]{1,300})", re.M)
_TAKE: Final = ("--getbinpkgonly", "--usepkgonly")


@dataclass(frozen=True, slots=True)
class Step:
    """A line of emerge's list: the package name as printed, with a build id if it has one, and whether it is a binary."""

    cpv: str
    is_binary: bool


@dataclass(frozen=True, slots=True)
class Client:
    """A host that packages are deployed to."""

    host: DeployHost

    def plan(self, atoms: Sequence[str]) -> list[Step]:
        """What the host's emerge would merge now for ``atoms``, from source or not. Raises DeployError."""
        return steps(self._ask("emerge", "--pretend", "--color=n", *atoms))

    def offered(self, atoms: Sequence[str]) -> list[Step]:
        """What it would merge if only binaries are allowed. Raises DeployError, also if a binary is missing."""
        return steps(self._ask("emerge", "--pretend", "--color=n", *_TAKE, *atoms))

    def install(self, atoms: Sequence[str]) -> None:
        """Merge ``atoms`` on the host from binaries only, with the output on this terminal. Raises DeployError."""
        words = self._words(["emerge", *_TAKE, *atoms], terminal=True)
        try:
            status = subprocess.run(words, check=False).returncode
        except OSError as error:
            raise DeployError(self.host.name, f"cannot run ssh ({error.strerror})") from error
        if status:
            raise DeployError(self.host.name, f"its emerge ended with status {status}")

    def _ask(self, *command: str) -> str:
        try:
            done = subprocess.run(
                self._words(command),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=bounds.DEPLOY_SECONDS,
                check=False,
            )
        except OSError as error:
            raise DeployError(self.host.name, f"cannot run ssh ({error.strerror})") from error
        except subprocess.TimeoutExpired as error:
            raise DeployError(self.host.name, f"it did not answer within {bounds.DEPLOY_SECONDS:.0f} s") from error
        text = done.stdout[: limits.SPOKEN_SIZE].decode("utf-8", "replace")
        if done.returncode:
            said = " ".join((text + done.stderr[-bounds.CAPTURE_SAID :].decode("utf-8", "replace")).split())[-600:]
            raise DeployError(
                self.host.name, f"{command[0]} there ended with status {done.returncode}: {said or 'it said nothing'}"
            )
        return text

    def _words(self, command: Sequence[str], *, terminal: bool = False) -> list[str]:
        words = ["ssh", "-oConnectTimeout=15", "-oServerAliveInterval=15", "-t" if terminal else "-T", *self.host.options]
        return [*words, "--", self.host.ssh, shlex.join(command)]


def steps(text: str) -> list[Step]:
    """Parse the list that emerge printed."""
    return [Step(match["cpv"], match["kind"] == "binary") for match in _LINE.finditer(text)]


def differing(entries: Sequence[Entry], offered: Sequence[Step]) -> Iterator[str]:
    """Yield one sentence for each reason why the host would not use exactly the builds of ``entries``."""
    names = {step.cpv for step in offered if step.is_binary}
    for entry in entries:
        built = Path(entry.place).name.removesuffix(GPKG_SUFFIX)
        category = entry.job.cpv.partition("/")[0]
        if f"{category}/{built}" not in names:
            others = sorted(name for name in names if name.startswith(f"{entry.job.cpv}-")) or ["nothing"]
            yield f"it would take {others[0]} in place of the build {category}/{built}"

"""One Gentoo system in a folder, and commands that run in it with nothing of this machine's environment.

Two layouts (both are real Portage; see PORTAGE_OVERRIDE_EPREFIX and ROOT in emerge(1)):

*prefix*   the folder is an offset prefix; one variable does it, and any user can;
*root*     the folder is ROOT, SYSROOT and PORTAGE_CONFIGROOT, beside an empty prefix that acts as the running system.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shlex
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tests.testkit import others, schema, warm
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.environments import Environment
from tests.testkit.outcome import Outcome

Layout = Literal["prefix", "root"]

FEATURES = (
    "-sandbox -usersandbox -userpriv -userfetch -usersync -network-sandbox -pid-sandbox -ipc-sandbox -mount-sandbox "
    "-news -merge-sync -merge-wait -qa-unresolved-soname-deps nostrip"
)
DIRECTORIES = (
    "bin", "etc/env.d", "etc/portage/env", "run/lock", "share/portage/config", "tmp", "usr/bin", "var/cache/binpkgs",
    "var/cache/distfiles", "var/cache/edb", "var/db/pkg", "var/lib/portage", "var/log", "var/tmp/portage",
)  # fmt: skip
_MERGING = re.compile(r"=== \(\d+ of \d+\) Merging (?P<binary>Binary )?\((?P<cpv>[^:)]+)::")
_MERGED = re.compile(r"::: completed emerge \(\d+ of \d+\) (?P<cpv>\S+) to ")
_SHELL = re.compile(r"[|&;<>()$`\\*?\[#~\n]")
"""What means more to a shell than a letter. Quotes are not among them: shlex takes them off as a shell does."""
TIMEOUT = 900
"""Seconds after which a command in a test counts as hung. The largest build takes 30 s of CPU time: 300 on a busy machine."""


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge that emerge began; ``done`` is false if it failed, as in preinst."""

    cpv: str
    kind: str
    done: bool = False


@dataclass(slots=True)
class Root:
    """A system at ``path`` with Portage ``environment`` and its repositories."""

    path: Path
    environment: Environment
    layout: Layout
    home: Path
    repositories: list[EbuildRepository]
    settings: dict[str, str]

    @classmethod
    def create(
        cls,
        path: Path,
        environment: Environment,
        repositories: Iterable[EbuildRepository],
        *,
        layout: Layout = "prefix",
        features: str = "",
        **settings: str,
    ) -> Root:
        """Lay out a system below ``path``. ``features`` and ``settings`` go into its make.conf."""
        user = pwd.getpwuid(os.getuid())
        root = cls(path, environment, layout, path, list(repositories), {})
        root.settings = {
            "ACCEPT_LICENSE": "*",
            "AUTOCLEAN": "no",
            "BINPKG_COMPRESS": "zstd",
            "BINPKG_FORMAT": "gpkg",
            "CFLAGS": "-O2 -pipe",
            "CLEAN_DELAY": "0",
            "CXXFLAGS": "-O2 -pipe",
            "DISTDIR": f"{path}/var/cache/distfiles",
            "EMERGE_WARNING_DELAY": "0",
            "FEATURES": f"{FEATURES} {features}".strip(),
            "MAKEOPTS": "-j1",
            "NOCOLOR": "true",
            "PKGDIR": f"{path}/var/cache/binpkgs",
            "PORTAGE_GRPNAME": grp.getgrgid(user.pw_gid).gr_name,
            "PORTAGE_LOGDIR": f"{path}/var/log/portage",
            "PORTAGE_NICENESS": "",
            "PORTAGE_TMPDIR": f"{path}/var/tmp",
            "PORTAGE_TRUST_HELPER": "",
            "PORTAGE_USERNAME": user.pw_name,
            **settings,
        }
        root._lay_out(path)
        if layout == "root":
            root.home = path.with_name(path.name + ".running")
            root._lay_out(root.home)
        root.write_settings()
        return root

    def _lay_out(self, path: Path) -> None:
        for name in DIRECTORIES:
            (path / name).mkdir(parents=True, exist_ok=True)
        # The wheel reads its defaults below the prefix; the repos.conf that it ships names a [gentoo] that is not there.
        for name in ("make.globals", "sets", "binrepos.conf"):
            link = path / "share/portage/config" / name
            if not link.is_symlink():
                link.symlink_to(self.environment.prefix / "share/portage/config" / name)
        # Where an administrator replaces Portage's own checks of an image: a tenth of a build's CPU time went into them, for
        # ebuilds of a few lines.
        (path / "usr/local/lib").mkdir(parents=True, exist_ok=True)
        (path / "usr/local/lib/install-qa-check.d").symlink_to(self.environment.no_checks)
        (path / "etc/portage/make.profile").symlink_to(self.repositories[0].location / "profiles/default/linux/amd64")
        main = self.repositories[0].name
        text = f"[DEFAULT]\nmain-repo = {main}\n"
        text += "".join(f"\n[{r.name}]\nlocation = {r.location}\n" for r in self.repositories)
        (path / "etc/portage/repos.conf").write_text(text)

    def write_settings(self) -> None:
        """Write make.conf anew from ``settings``."""
        text = "".join(f'{key}="{value}"\n' for key, value in self.settings.items())
        for path in {self.path, self.home}:
            (path / "etc/portage/make.conf").write_text(text)

    def features(self, more: str) -> None:
        """Append to FEATURES in make.conf."""
        self.settings["FEATURES"] += f" {more}"
        self.write_settings()

    @property
    def pkgdir(self) -> Path:
        return Path(self.settings["PKGDIR"])

    def etc(self, relative: str, text: str) -> Path:
        """Write a file below /etc/portage."""
        path = self.path / "etc/portage" / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def variables(self) -> dict[str, str]:
        """The whole environment of a command in this system."""
        tools = self.environment
        path = f"{tools.bin}:{tools.tools}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        common = {"HOME": str(self.path), "LANG": "C.UTF-8", "NO_COLOR": "1", "PATH": path, "TERM": "dumb"}
        common |= {"GPG_VERIFY_USER_DROP": "", "GPG_VERIFY_GROUP_DROP": ""}
        if self.layout == "prefix":
            return common | {"PORTAGE_OVERRIDE_EPREFIX": str(self.path)}
        here = dict.fromkeys(("PORTAGE_CONFIGROOT", "ROOT", "SYSROOT"), str(self.path))
        return common | here | {"PORTAGE_OVERRIDE_EPREFIX": str(self.home), "EPREFIX": ""}

    def run(self, *command: str, as_user: int | None = None, **variables: str) -> Outcome:
        """Run ``command`` in this system, as another user when ``as_user`` is a uid and this user is root.

        What our commands print with --json is held to docs/schemas.
        """
        if as_user is not None:
            others.enter()
        environment = self.variables() | variables
        command = self._without_shell(command)
        script = self.environment.script(command[0])
        if script is not None and as_user is None and warm.suits(command, environment):
            done = warm.run(self.environment.python, (str(script), *command[1:]), environment, self.path, TIMEOUT)
        else:
            done = subprocess.run(
                self._words(command),
                env=environment,
                cwd=self.path,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT,
                user=as_user,
                group=as_user,
                extra_groups=None if as_user is None else [],
                check=False,
            )
        schema.hold_lines(command, done.stdout)
        return Outcome(tuple(command), done.returncode, done.stdout, done.stderr)

    def _words(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """What pip's entry points of Portage execute (portage.util.bin_entry_point), without a Python that only does that."""
        script = self.environment.script(command[0])
        return command if script is None else (str(self.environment.python), str(script), *command[1:])

    def _without_shell(self, command: tuple[str, ...]) -> tuple[str, ...]:
        """For a line in which a shell would only find words, these words: a program of Portage can then be forked (warm)."""
        if command[:2] != ("sh", "-c") or len(command) != 3 or _SHELL.search(command[2]):
            return command
        words = tuple(shlex.split(command[2]))
        return words if words and self.environment.script(words[0]) is not None else command

    def emerge(self, *arguments: str, as_user: int | None = None, **variables: str) -> Outcome:
        """Run emerge."""
        return self.run("emerge", *arguments, as_user=as_user, **variables)

    def merged(self) -> dict[str, str]:
        """What was merged, from emerge.log: package name and version to ``binary`` or ``ebuild``, in order."""
        log = self.home / "var/log/emerge.log"
        text = log.read_text() if log.exists() else ""
        return {match["cpv"]: "binary" if match["binary"] else "ebuild" for match in _MERGING.finditer(text)}

    def merges(self) -> list[Merge]:
        """Every merge that emerge began, from emerge.log, in order."""
        log = self.home / "var/log/emerge.log"
        found: list[Merge] = []
        for line in log.read_text().splitlines() if log.exists() else ():
            if begun := _MERGING.search(line):
                found.append(Merge(begun["cpv"], "binary" if begun["binary"] else "ebuild"))
            elif ended := _MERGED.search(line):
                place = max(place for place, one in enumerate(found) if one.cpv == ended["cpv"])
                found[place] = replace(found[place], done=True)
        return found

    def installed(self) -> set[str]:
        """The packages that the vdb holds."""
        entries = (self.path / "var/db/pkg").glob("*/*")
        return {f"{entry.parent.name}/{entry.name}" for entry in entries if not entry.name.startswith("-MERGING-")}

    def forget_downloads(self) -> None:
        """Drop every downloaded package and every cached index."""
        for name in ("var/cache/binhost", "var/cache/edb/binhost"):
            subprocess.run(["rm", "-rf", str(self.path / name)], check=True)

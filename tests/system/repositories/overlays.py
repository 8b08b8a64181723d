"""A system with a main repository, and overlays of the tests' own in git, from which packages are picked by real emerge."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.testkit import environments
from tests.testkit.ebuilds import CATEGORIES, EbuildRepository
from tests.testkit.environments import Environment
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

GIT = {
    "GIT_AUTHOR_NAME": "larry", "GIT_AUTHOR_EMAIL": "larry@example.invalid", "GIT_COMMITTER_NAME": "larry",
    "GIT_COMMITTER_EMAIL": "larry@example.invalid", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
}  # fmt: skip


def git(directory: Path, *words: str, **variables: str) -> str:
    """Run git in a repository of a test, with nothing of this machine's configuration."""
    environment = {**os.environ, **GIT, **variables}
    done = subprocess.run(["git", *words], cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {words}\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class Overlay(EbuildRepository):
    """An ebuild repository in git."""

    def commit(self, *options: str, **variables: str) -> None:
        if not (self.location / ".git").exists():
            git(self.location, "init", "-q", "-b", "main")
        git(self.location, "add", "-A")
        git(self.location, *options, "commit", "-q", "--allow-empty", "-m", "a change", **variables)

    def eclass(self, name: str, text: str = "") -> None:
        self.write(f"eclass/{name}.eclass", text)


def overlay(location: Path, name: str = "guru", masters: str = "tiny") -> Overlay:
    """An empty overlay; write into it, and commit."""
    return Overlay.create(location, name, masters)


@dataclass(slots=True)
class Client:
    """A system that picks."""

    root: Root
    main: EbuildRepository

    def picked(self, name: str = "guru") -> Path:
        return self.root.path / f"var/db/repos/{name}"

    def configure(self, source: Overlay | str, name: str = "guru", sync_type: str = "pick", **options: str) -> None:
        """Add a section to repos.conf; ``options`` with ``_`` for ``-``."""
        uri = source if isinstance(source, str) else f"file://{source.location}"
        values = {"location": str(self.picked(name)), "sync-type": sync_type, "sync-uri": uri}
        values |= {key.replace("_", "-"): value for key, value in options.items()}
        path = self.root.path / "etc/portage/repos.conf"
        section = f"\n[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        head, found, tail = path.read_text().partition(f"\n[{name}]\n")
        if found:
            tail = tail[tail.index("\n[") :] if "\n[" in tail else ""
        path.write_text(head + section + tail)

    def list(self, *lines: str) -> None:
        path = self.root.path / "etc/overlayman/packages"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))

    def variables(self) -> dict[str, str]:
        # Portage's git module notes the store in the system's configuration of git (safe.directory).
        return {"GIT_CONFIG_SYSTEM": str(self.root.path / "etc/gitconfig"), "GIT_CONFIG_GLOBAL": "/dev/null"}

    def sync(self, name: str = "guru", **variables: str) -> Outcome:
        return self.root.emerge("--sync", name, **self.variables(), **variables)

    def pick(self, *words: str, **variables: str) -> Outcome:
        return self.root.run("portage-ext", "pick", *words, **self.variables(), **variables)

    def packages(self, name: str = "guru") -> set[str]:
        """The packages that the picked repository has."""
        return {"/".join(one.parts[-3:-1]) for one in self.picked(name).glob("*/*/*.ebuild")}


def client(work: Path, environment: Environment | None = None, **settings: str) -> Client:
    """A system whose main repository has one package, and that picks nothing yet."""
    main = EbuildRepository.create(work / "tiny")
    main.data("dev-libs/base-1.0")
    # Categories of overlays are their own.
    assert "app-misc" in CATEGORIES
    root = Root.create(work / "client", environment or environments.environment(), [main], **settings)
    return Client(root, main)

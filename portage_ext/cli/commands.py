"""Every command in one table, in the groups of ``portage-ext --help``. A new command is one module of its own and one row here.

A command of another package is an entry point of the group ``portage_ext.commands``: its name, and a module that offers what
``Command`` says. It is looked for only where this table has no such name, so that no command here pays for that.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    import argparse

ENTRY_POINTS: Final = "portage_ext.commands"

INTERNAL: Final = "Internal, started by hooks and by emerge"
"""The group that ``--help`` does not show: no person types these."""

GROUPS: Final[dict[str, dict[str, str]]] = {
    "Ask why, and look": {
        "why": "explain why packages are compiled, and what would change that",
        "check": "check the health of this client or binhost",
        "compare": "compare this host's configuration with a binhost's",
        "status": "show releases, pinned keys, and what the last runs did",
        "show": "show what is in a package",
        "provenance": "show what a package was built from, and verify it",
        "rebuild": "list the packages to build again after a library changed",
        "contract": "show which symbol versions a package needs and defines",
        "watch": "watch a running emerge: what is built, what waits for it",
        "graph": "draw the merge list of a request: who pulls what in",
        "cpu": "resolve -march=native; tell if code for another CPU runs here",
    },
    "Trust": {
        "trust": "pin the keys that this host believes for a binrepo",
        "root": "let keys that stay offline say which keys may sign Releases",
        "release": "sign the index of a binhost as a whole",
        "sign": "sign the packages of PKGDIR",
    },
    "Publish": {
        "publish": "make a release of PKGDIR and switch a channel to it",
        "trial": "install what a release brings, in a scratch root",
        "bisect": "find the release, and the package, that broke something",
        "promote": "publish what one channel serves in another",
        "rollback": "publish an earlier content of a channel again",
        "releases": "list the releases and channels of a tree",
        "diff": "show what changes from one release to another",
        "metrics": "print figures for Prometheus about releases and runs",
        "mirror": "push releases to a mirror, whole",
        "serve": "serve a tree over HTTP, to try it out",
    },
    "Build for other machines": {
        "target": "take the configuration of another host, to build what fits it",
        "build": "build packages for a target in its environment, and publish",
        "deploy": "build for other hosts, publish, and install there over ssh",
        "builds": "look at builds for other machines, and work their queue",
        "rebuild-check": "build packages again, to see if they are reproducible",
        "coordinator": "hand out builds to other machines, on Buildbot",
        "builder": "make this machine build for a coordinator",
        "swarm": "show builders, what they build, and what waits and why",
        "request": "ask a build service for packages that would be compiled here",
    },
    "Make ebuild repositories": {
        "pick": "pick single packages, and what they need, out of overlays (olm)",
        "ebuild": "make an ebuild of a project on PyPI",
        "pypi": "look after the repository that is made from PyPI",
    },
    "Maintain": {
        "update": "the daily update of a binhost or client, in one command",
        "config": "publish a configuration as a profile, or follow one",
        "setup": "set up this host as a client or a binhost, or undo it",
        "snapshot": "list snapshots of the system, and what changed since",
        "reindex": "update the package index to match PKGDIR",
        "clean": "remove from PKGDIR what is no longer needed",
        "prune": "remove releases that nothing keeps",
        "completion": "print what a shell needs to complete these commands",
    },
    INTERNAL: {
        "after-emerge": "sign, index and publish what emerge has built",
        "door": "serve one client that asks for builds, over ssh",
        "fetch": "fetch and verify an index or a package (a fetchcommand)",
        "postsync": "after a sync, refresh binhosts and start the update job",
    },
}
"""Title of each group, then name and line of help of each command; the module is ``portage_ext.cli.<name>``."""

COMMANDS: Final[dict[str, str]] = {name: line for group in GROUPS.values() for name, line in group.items()}


class Command(Protocol):
    """What a command's module offers."""

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


def load(name: str) -> Command:
    """The command of that name in the table."""
    return cast(Command, importlib.import_module(f"portage_ext.cli.{name.replace('-', '_')}"))


def foreign_command(name: str) -> Command | None:
    """The command of that name that another package brings; None when there is none."""
    from importlib.metadata import entry_points  # 20 ms, paid for an unknown name only

    return next((cast(Command, point.load()) for point in entry_points(group=ENTRY_POINTS, name=name)), None)


def meant(name: str) -> str:
    """A question after the command that somebody who typed ``name`` may have meant; empty when there is none like it."""
    from difflib import get_close_matches

    alike = get_close_matches(name, COMMANDS, n=1)
    return f" (did you mean {alike[0]!r}?)" if alike else ""


def overview() -> str:
    """The commands that people type, in their groups, for ``--help``."""
    width = max(map(len, COMMANDS)) + 2
    return "\n\n".join(
        "\n".join((f"{title}:", *(f"  {name:<{width}}{line}" for name, line in group.items())))
        for title, group in GROUPS.items()
        if title != INTERNAL
    )

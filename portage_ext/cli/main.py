"""portage-ext: one entry, one module a command. A command is imported only when it is called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Container, Sequence
from typing import Final, Protocol, cast

from portage_ext import __version__, shown
from portage_ext.errors import PortageExtError, UsageError

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2

COMMANDS: Final[dict[str, str]] = {
    "after-emerge": "sign, index and publish what emerge has built",
    "check": "look at the health of this client or binhost",
    "clean": "remove from PKGDIR what policy no longer keeps",
    "compare": "compare this host's configuration with a binhost's",
    "completion": "print what a shell needs to complete these commands",
    "contract": "show which symbol versions a package needs and defines",
    "cpu": "resolve -march=native, and say whether code for another CPU runs here",
    "diff": "say what changes from one release to another",
    "fetch": "fetch and verify an index or a package (a fetchcommand)",
    "mirror": "push releases to a mirror, whole",
    "postsync": "after a sync, refresh binhosts and start the update job",
    "promote": "publish what one channel serves in another",
    "prune": "remove releases that nothing keeps",
    "publish": "make a release of PKGDIR and switch a channel to it",
    "reindex": "make the package index say what PKGDIR holds",
    "release": "sign the index of a binhost as a whole",
    "releases": "list the releases and channels of a tree",
    "root": "let keys that stay offline say which keys may sign Releases",
    "rollback": "publish an earlier content of a channel again",
    "serve": "serve a tree over HTTP, to try it out",
    "sign": "sign the packages of PKGDIR",
    "show": "show what is in a package",
    "status": "show releases, pinned keys, and what the last runs did",
    "trust": "pin the keys that are believed for a binrepo",
    "why": "say why packages are compiled, and what would make them come as binaries",
}
"""Name of each command and its line of help; the module is ``portage_ext.cli.<name>``."""


class Command(Protocol):
    """What a command's module offers."""

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


def _load(name: str) -> Command:
    return cast(Command, importlib.import_module(f"portage_ext.cli.{name.replace('-', '_')}"))


def whole_parser(only: Container[str] = COMMANDS) -> argparse.ArgumentParser:
    """The parser of all commands. Those that are not in ``only`` are known by name, and their modules are not imported."""
    parser = argparse.ArgumentParser(prog="portage-ext", description="Binary packages for Portage, chosen and trusted.")
    parser.add_argument("--version", action="version", version=f"portage-ext {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, help_line in COMMANDS.items():
        sub = commands.add_parser(name, help=help_line, description=help_line)
        if name in only:
            _load(name).arguments(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        return _run(arguments)
    except Exception as error:
        strange = _strange_portage()
        if not strange:
            raise
        print(f"portage-ext: {type(error).__name__}: {error}\n{strange}", file=sys.stderr)
        return EXIT_FAILED


def _strange_portage() -> str:
    """That this Portage may be why a command failed in a way that nobody foresaw; empty when it is one that is known."""
    from portage_ext.explain import supported

    try:
        lost = next(supported.losses(), None)
        known = str(lost) if lost is not None else supported.untested()
    except ImportError:
        return ""
    return f"{known}; `portage-ext check` says more. What to do: {supported.todo()}" if known is not None else ""


def _run(arguments: Sequence[str]) -> int:
    parser = whole_parser(arguments)
    options = parser.parse_args(arguments)
    try:
        return _load(options.command).run(options)
    except UsageError as error:
        parser.error(str(error))
    except (PortageExtError, OSError) as error:
        print(f"portage-ext {options.command}: {shown.text(str(error))}", file=sys.stderr)
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())

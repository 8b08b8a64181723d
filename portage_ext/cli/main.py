"""portage-ext: one entry, and one module for each command of cli/commands. A command is imported only when it is called."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NoReturn

from portage_ext import __version__, shown
from portage_ext.cli.commands import COMMANDS, Command, foreign_command, load, meant, overview
from portage_ext.errors import PortageExtError, UsageError

if TYPE_CHECKING:
    import argparse

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


def _columns() -> int:
    """The width of help: what COLUMNS or the terminal says, else 80, as argparse has it.

    argparse imports shutil to find it, for each argument of a parser, and with it every compression.
    """
    try:
        told = int(os.environ.get("COLUMNS", ""))
    except ValueError:
        told = 0
    if told <= 0:
        try:
            told = os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ is not None else 0
        except (OSError, ValueError):
            told = 0
    return (told or 80) - 2


def _help(prog: str) -> argparse.HelpFormatter:
    import argparse

    return argparse.HelpFormatter(prog, width=_columns())


def _overview(prog: str) -> argparse.HelpFormatter:
    import argparse

    return argparse.RawDescriptionHelpFormatter(prog, width=_columns())


def whole_parser(
    only: Container[str] = COMMANDS, others: Mapping[str, Command] = MappingProxyType({})
) -> argparse.ArgumentParser:
    """The parser of the commands of the table that are in ``only``, and of ``others`` by name.

    If it has none of these, it knows all commands of the table by name, for its messages, and imports no module.
    """
    import argparse  # Not for a fetch: what emerge asks for needs no parser.

    parser = argparse.ArgumentParser(
        prog="portage-ext",
        usage="%(prog)s [-h] [--version] COMMAND ...",
        description="Binary packages for Portage, chosen and trusted.",
        epilog=overview(),
        formatter_class=_overview,
    )
    parser.add_argument("--version", action="version", version=f"portage-ext {__version__}")
    # The epilog lists the commands in groups; help lines here would list them a second time.
    below = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, prog="portage-ext", help=argparse.SUPPRESS)
    for name in [name for name in COMMANDS if name in only] or COMMANDS:
        sub = below.add_parser(name, description=COMMANDS[name], formatter_class=_help)
        if name in only:
            load(name).arguments(sub)
    for name, command in others.items():
        command.arguments(below.add_parser(name))
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
        print(f"portage-ext: {type(error).__name__}: {shown.text(str(error))}\n{strange}", file=sys.stderr)
        return EXIT_FAILED


def program() -> NoReturn:
    """Run one command as the whole of this process.

    Taking apart all modules and objects one by one at the end takes Python an eighth of the time of a short command, and the
    system frees them at once. What was registered for the end is run, and what was printed is flushed.
    """
    status = main()
    threads = sys.modules.get("threading")
    if threads is None or threads.active_count() == 1:
        atexit._run_exitfuncs()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            sys.exit(status)  # Python says that its output went nowhere, and with which status.
        os._exit(status)
    sys.exit(status)


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
    first = arguments[0] if arguments else ""
    unknown = bool(first) and first not in COMMANDS and not first.startswith("-")
    foreign = foreign_command(first) if unknown else None
    gc.disable()  # Importing makes many objects and no garbage.
    try:
        parser, options = None, _of_emerge(arguments)
        if options is None:
            parser = whole_parser(arguments, {first: foreign} if foreign is not None else {})
            if unknown and foreign is None:
                parser.error(
                    f"there is no command {shown.text(first)!r}{meant(first)}; `portage-ext --help` lists all commands"
                )
            options = parser.parse_args(arguments)
        command = foreign or load(options.command)
    finally:
        gc.enable()
    try:
        return command.run(options)
    except UsageError as error:
        _of(parser or whole_parser(arguments), options.command).error(str(error))
    except PortageExtError as error:
        print(f"portage-ext {options.command}: {shown.text(str(error))}{_as_root(error)}", file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:
        print(f"portage-ext {options.command}: {shown.line(_system(error))}{_as_root(error)}", file=sys.stderr)
        return EXIT_FAILED


def _of_emerge(arguments: Sequence[str]) -> Any:
    """The options of a fetchcommand as it is written into binrepos.conf; None for anything else.

    emerge runs one for each package; a parser would take 3 ms of each.
    """
    if not arguments or arguments[0] != "fetch":
        return None
    from portage_ext.config.binrepos import as_written

    asked = as_written(arguments)
    if asked is None:
        return None
    places = {"root": Path(asked.root), "config_root": Path(asked.config_root), "output": Path(asked.output)}
    more = {"command": "fetch", "json": False, "quiet": False}
    return SimpleNamespace(repo=asked.repo, uri=asked.uri, resume=asked.resume, **places, **more)


def _of(parser: argparse.ArgumentParser, command: str) -> argparse.ArgumentParser:
    """The parser of a command, whose usage is told."""
    import argparse

    below = next(one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    found: argparse.ArgumentParser = below.choices[command]
    return found


def _system(error: OSError) -> str:
    """What the system says, without its number."""
    what = error.strerror or str(error)
    return f"{os.fsdecode(error.filename)}: {what}" if isinstance(error.filename, str | bytes) else what


def _as_root(error: BaseException | None) -> str:
    """What helps where this user may not read or write something."""
    while error is not None and not isinstance(error, PermissionError):
        error = error.__cause__
    return "" if error is None or os.geteuid() == 0 else ". Run this command as root"


if __name__ == "__main__":
    program()

"""`portage-ext fetch` for a package runs in the process that Portage forks for it: no Python has to start for each file.

Portage's ``spawn`` forks emerge, prepares the child (streams, signals, user, groups, umask, variables), calls its ``pre_exec``
and executes the fetchcommand. Here ``pre_exec`` makes the child what a Python that has just started would be, and runs the
program ``portage-ext`` there. If the command, the program or the state of emerge is not exactly as expected, or if something
fails before the program begins, Portage executes the command as usual.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import gc
import importlib
import locale
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import CodeType
from typing import Any, Final, NamedTuple, TextIO, cast

import portage
from _emerge.BinpkgFetcher import _BinpkgFetcherProcess
from portage import process

from portage_ext import limits, records
from portage_ext.config.binrepos import as_written
from portage_ext.emerge import messages, patching
from portage_ext.emerge.patching import Function, Patch
from portage_ext.errors import UnknownPortageError
from portage_ext.host import probe
from portage_ext.host.probe import Attribute, Expectation, Names
from portage_ext.host.probe import Function as Expected

_SPAWNING: Final = "_emerge.SpawnProcess:SpawnProcess"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Attribute("_emerge.BinpkgFetcher:_BinpkgFetcherProcess"),
    Names("_emerge.BinpkgFetcher:_BinpkgFetcherProcess._start", ("args", "env", "_selinux_type", "SpawnProcess", "_start")),
    Names("_emerge.BinpkgFetcher:BinpkgFetcher._main", ("_BinpkgFetcherProcess",)),
    Expected(f"{_SPAWNING}._spawn", ("self", "args"), callers=(f"{_SPAWNING}._start",)),
    Names(f"{_SPAWNING}._spawn", ("process", "spawn", "_selinux_type")),
    Expected("portage.process:spawn", ("mycommand", "env"), ("fd_pipes", "returnproc", "pre_exec")),
    Names("portage.process:spawn", ("find_binary", "_exec_wrapper", "pre_exec")),
    Expected("portage.process:find_binary", ("binary",)),
    Names("portage.process:_exec2", ("pre_exec", "execve")),
)
_LOSS: Final = "each package is fetched by a process that starts Python"
_PROGRAM: Final = "portage-ext"
_KEYWORDS: Final = frozenset({"env", "fd_pipes", "returnproc"})
_AT_START: Final = ("EPYTHON", "GLIBC_", "LANG", "LC_ALL", "LC_CTYPE", "LD_", "MALLOC_", "OPENSSL_", "PYTHON", "TZ")
"""Beginnings of variables that the loader, libraries, or Python read only when a program starts."""
_NOT_AT_START: Final = ("LANGUAGE", "PYTHON_")
_IMPORTED: Final = (
    "portage_ext.cli.main",
    "portage_ext.cli.fetch",
    "portage_ext.tasks.fetching",
    "portage_ext.fetch.client",
    "portage_ext.fetch.package",
    "portage_ext.trust.kept_root",
    "portage_ext.trust.keyrings",
    "portage_ext.gpkg._usual",
)
"""What the program imports for a package. A child imports anything else by itself."""
_MARGIN: Final = 2 * 10**9
"""Nanoseconds by which the time of a file may lie behind the clock."""

_Stamp = tuple[int, int, int, int]


class _Loaded(NamedTuple):
    """The script of the program, its code, and the files that were read for it, as they were then."""

    path: str
    code: CodeType
    stamps: dict[str, _Stamp]
    modules: frozenset[str]
    """Those files that emerge may have read long before."""


_since: int | None = None
"""When this run of emerge began, in nanoseconds since 1970; None outside a run that needs this part."""
_loaded: _Loaded | None = None
_impossible = False
"""The program, or a file of portage-ext, was not as expected in this run."""


def begin(emerge_config: Any) -> None:
    """Let the packages of this run be fetched in forks. Raises UnknownPortageError."""
    global _since, _impossible
    own = vars(_BinpkgFetcherProcess).get("_spawn")
    if own is not None and not hasattr(own, probe.ORIGINAL):
        raise UnknownPortageError(str(portage.VERSION), _LOSS, ("_BinpkgFetcherProcess has its own _spawn",))
    patching.apply(_PATCHES)
    _since, _impossible = time.time_ns(), False


def end() -> None:
    """Leave it to Portage again."""
    global _since
    _since = None


def _instead(original: Function) -> Function:
    def _spawn(self: Any, args: list[str], **keywords: Any) -> Any:
        try:
            run = _run_of(self, args, keywords) if _since is not None else None
        except Exception as error:  # noqa: BLE001 - then Portage executes the command, as it always did
            messages.off(_LOSS, error)
            run = None
        return original(self, args, **keywords) if run is None else original(self, args, pre_exec=run, **keywords)

    return _spawn


_PATCHES: Final = (Patch(_BinpkgFetcherProcess, "_spawn", _instead),)


def _run_of(fetcher: Any, words: list[str], keywords: dict[str, Any]) -> Callable[[], None] | None:
    """What the child calls instead of executing ``words``; None if Portage must execute them."""
    environment, pipes = keywords.get("env"), keywords.get("fd_pipes")
    if not (
        words[0] == _PROGRAM
        and as_written(words[1:])
        and keywords.keys() == _KEYWORDS
        and isinstance(environment, dict)
        and isinstance(pipes, dict)
        and pipes.keys() >= {0, 1, 2}
        and fetcher._selinux_type is None  # the policy changes the domain when a program is executed
        and starts_alike(environment, os.environ)
        and multiprocessing.get_start_method() == "fork"
        and _alone()
    ):
        return None
    loaded = _program()
    if loaded is None:
        return None
    return lambda: _become(loaded.code, loaded.path, words, environment)


def starts_alike(environment: Mapping[str, str], own: Mapping[str, str]) -> bool:
    """Whether the variables that count when a program starts are the same as those ``own`` that emerge started with."""
    names = (name for name in {*environment, *own} if name.startswith(_AT_START) and not name.startswith(_NOT_AT_START))
    return all(environment.get(name) == own.get(name) for name in names)


def _alone() -> bool:
    """Whether this is the only thread. A fork has only one, and what others have locked would stay locked."""
    return threading.current_thread() is threading.main_thread() and len(sys._current_frames()) == 1


# --- the program


def _program() -> _Loaded | None:
    """The program, loaded when it is needed first. None if it is none of this Python, or if one of its files has changed since
    emerge has begun, as in an upgrade of portage-ext: then a new process must run, which has only new files."""
    global _loaded, _impossible
    if _impossible:
        return None
    began = (_since or 0) - _MARGIN
    try:
        _loaded = _loaded or _load()
        stamps = {} if _loaded is None else _stamps(_loaded.stamps)
    except OSError:
        stamps = {}  # a file is gone
    # What replaces a file has a later ctime, whatever its mtime says.
    if _loaded is None or stamps != _loaded.stamps or any(stamps[file][-1] >= began for file in _loaded.modules):
        _impossible = True
        return None
    return _loaded


def _load() -> _Loaded | None:
    path = process.find_binary(_PROGRAM)
    script = _script(path) if path else ""
    code = code_of(script) if script else None
    if code is None:
        return None
    stamps = _stamps((path, script, sys.executable, os.__file__))
    for name in _IMPORTED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    records.ready()
    ours = [module for name, module in sys.modules.items() if name.partition(".")[0] == "portage_ext"]
    modules = frozenset(filter(None, (module.__file__ for module in ours)))
    return _Loaded(script, code, stamps | _stamps(modules), modules)


def code_of(path: str) -> CodeType | None:
    """The code of the script at ``path``, if it is this Python that would execute it; None for any other program."""
    with open(path, "rb") as script:
        text = script.read(limits.KIB)
    first = text.partition(b"\n")[0]
    if not first.startswith(b"#!") or len(text) == limits.KIB:
        return None
    interpreter = os.fsdecode(first[2:].strip())
    beside = os.path.dirname(interpreter) == os.path.dirname(sys.executable)
    if not beside or not os.path.exists(interpreter) or not os.path.samefile(interpreter, sys.executable):
        return None
    try:
        return compile(text, path, "exec")
    except (SyntaxError, ValueError):
        return None


def _script(path: str) -> str:
    """The file that Python executes for the program at ``path``."""
    real = os.path.realpath(path)
    if not os.path.basename(real).startswith("python-exec"):
        return path
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return os.path.join(os.path.dirname(real), version, os.path.basename(path))


def _stamps(files: Iterable[str]) -> dict[str, _Stamp]:
    """Device, inode, mtime and ctime of each file. Raises OSError if one is gone."""
    found: dict[str, _Stamp] = {}
    for name in files:
        status = os.stat(name)
        found[name] = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    return found


# --- in the child


def _become(code: CodeType, path: str, words: list[str], environment: dict[str, str]) -> None:
    """Be the program. Returns only if it has not begun."""
    try:
        # What emerge left behind must never be collected here: a file of it would close a descriptor that is another one now.
        gc.disable()
        gc.freeze()
        atexit._clear()
        _close_as_exec_does()
        _as_a_python_starts(environment)
        sys.argv = [path, *words[1:]]
    except Exception:  # noqa: BLE001 - Portage executes the command, as it always did
        return
    status = 1
    try:
        status = _status(code, path)
    finally:
        os._exit(status)


def _close_as_exec_does() -> None:
    """Close each descriptor that an executed program would not have. Nothing of emerge that has one runs here any more."""
    for fd in process.get_open_fds():
        try:
            if fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC:
                os.close(fd)
        except OSError as error:
            if error.errno != errno.EBADF:  # the one that was open to list them
                raise


def _as_a_python_starts(environment: dict[str, str]) -> None:
    for number in range(1, signal.NSIG):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    locale.setlocale(locale.LC_ALL, "C")
    locale.setlocale(locale.LC_CTYPE, "")
    sys.excepthook = sys.__excepthook__
    # Those of emerge may have text that is not written yet; the process ends without writing it.
    own = sys.__stdout__
    encoding, errors = (own.encoding, own.errors) if own is not None else ("utf-8", "strict")
    sys.stdin = _stream(0, "r", encoding, errors)
    sys.stdout = _stream(1, "w", encoding, errors)
    sys.stderr = _stream(2, "w", encoding, "backslashreplace")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _stream(fd: int, mode: str, encoding: str, errors: str | None) -> TextIO:
    return cast("TextIO", open(fd, mode, 1, encoding, errors, closefd=False))


def _status(code: CodeType, path: str) -> int:
    """Run the program; its exit status."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        exec(code, {"__name__": "__main__", "__file__": path, "__builtins__": __builtins__})
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:  # noqa: BLE001 - a fetch that failed: emerge says which package is missing
        messages.line(f"the fetch failed: {type(error).__name__}: {error}")
        return 1
    return 0

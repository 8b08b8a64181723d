"""Each thing that portage-ext relies on in Portage, spoilt in turn: what is told of it, and which parts begin all the same.

    python -m tests.testkit.spoiling DIRECTORY SHARE OF

runs in a process of its own, with an empty system in DIRECTORY, and spoils every expectation of SHARE (0 is the first) of as
many shares as OF says, each in a fork: Portage's functions are changed in place. Prints as JSON what each fork saw, and which
parts and commands rely on what it spoilt. Most expectations can be spoilt in several ways; one of them is played, another one
for each expectation, or with ``SPOILT=all`` (make test-unknown) all.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

from portage_ext.emerge.parts import PARTS, Part
from portage_ext.explain import supported
from portage_ext.explain.supported import COMMANDS, Command
from portage_ext.host import probe
from portage_ext.host.probe import Attribute, Expectation, Function, Names

Spoiling = tuple[str, Callable[[], None]]
NAMED: dict[str, Part | Command] = {part.name: part for part in PARTS} | {one.loss: one for one in COMMANDS}


def spoilings(expected: Expectation) -> Iterator[Spoiling]:
    """Every way in which ``expected`` can be disappointed: what it says, and what does it."""
    if isinstance(expected, Function):
        called = probe.short(expected.path)
        yield f"{called} is gone", partial(_remove, expected.path)
        yield f"{called} is somebody else's", partial(_take_over, expected.path)
        for name in expected.parameters:
            yield f"{called} without {name}", partial(_rename, expected.path, name)
        open_ended = probe.original(expected.path).__code__.co_flags & 8
        for name in () if open_ended else expected.keywords:
            yield f"{called} without {name}=", partial(_rename, expected.path, name)
        for caller in expected.callers:
            yield f"{called} is not called by {caller}", partial(_rename, caller, expected.path.rpartition(".")[2])
    elif isinstance(expected, Names):
        for name in expected.used:
            yield f"{probe.short(expected.path)} does not use {name}", partial(_rename, expected.path, name)
    elif isinstance(expected, Attribute):
        yield f"{probe.short(expected.path)} is gone", partial(_remove, expected.path)
    else:
        raise TypeError(expected)


def _owner(path: str) -> tuple[Any, str]:
    module, _, names = path.partition(":")
    above, _, name = names.rpartition(".")
    owner = probe.found(f"{module}:{above}") if above else importlib.import_module(module)
    if isinstance(owner, type):
        owner = next(one for one in owner.__mro__ if name in vars(one))
    return owner, name


def _remove(path: str) -> None:
    delattr(*_owner(path))


def _take_over(path: str) -> None:
    owner, name = _owner(path)
    setattr(owner, name, lambda *arguments, **named: None)


def _rename(path: str, name: str) -> None:
    function = probe.original(path)
    for inner in [cell.cell_contents for cell in function.__closure__ or () if hasattr(cell.cell_contents, "__code__")]:
        inner.__code__ = _renamed(inner.__code__, name)
    function.__code__ = _renamed(function.__code__, name.rpartition(":")[2])


def _renamed(code: CodeType, name: str) -> CodeType:
    def other(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{one}_of_old" if one == name else one for one in names)

    constants = tuple(_renamed(one, name) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(
        co_names=other(code.co_names),
        co_varnames=other(code.co_varnames),
        co_cellvars=other(code.co_cellvars),
        co_freevars=other(code.co_freevars),
        co_consts=constants,
    )


def _seen() -> dict[str, Any]:
    """What `check` tells, what emerge says, and which parts begin, for a run that merges and for one that removes."""
    from portage_ext.emerge import seam
    from portage_ext.explain import traps

    told = [finding.what for finding in traps.portage_version().findings]
    said = io.StringIO()
    begun: list[str] = []
    with contextlib.redirect_stderr(said):
        for config in _runs():
            parts, _ = seam.begin(config)
            begun += [part.name for part in parts]
            seam.end(parts)
    return {"told": told, "said": said.getvalue().splitlines(), "begun": begun}


def _runs() -> Iterator[Any]:
    import portage

    target = SimpleNamespace(settings=portage.settings)
    for action in (None, "unmerge"):
        opts = {"--getbinpkg": True}
        yield SimpleNamespace(action=action, opts=opts, args=[], trees={}, target_config=target)


def _in_fork(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = work()
        except BaseException as error:  # noqa: BLE001 - the parent tells it
            answer = {"failed": f"{type(error).__name__}: {error}"}
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return dict(json.loads(text or '{"failed": "no answer"}'))


def main(directory: str, share: int, of: int) -> None:
    etc = Path(directory, "etc/portage")
    (etc / "portage-ext/trust").mkdir(parents=True)
    (etc / "env").mkdir()
    (etc / "env/on").write_text('FEATURES="getbinpkg"\nBINPKG_ONLY="wait"\nBUILD_ON_MISS="ask"\n')
    (etc / "package.env").write_text("app-misc/hello on\n")
    (etc / "portage-ext.toml").write_text('[ask]\nwhere = "local"\ntarget = "laptop"\n\n[snapshot]\n')
    os.environ["PORTAGE_CONFIGROOT"] = directory
    with contextlib.redirect_stderr(io.StringIO()):  # there is no profile
        import portage
        from _emerge import actions  # noqa: F401

        portage.settings["EROOT"]
    from portage_ext.explain import traps  # noqa: F401

    # Every module is imported once and not in every fork, and no fork goes through what they all share.
    list(supported.losses())
    gc.freeze()
    relying: dict[Expectation, list[str]] = {}
    for name, one in NAMED.items():
        for expected in dict.fromkeys(one.expected):
            relying.setdefault(expected, []).append(name)
    seen = [{"what": "nothing", "relying": []} | _in_fork(_seen)]
    for number, (expected, names) in list(enumerate(relying.items()))[share::of]:
        ways = list(spoilings(expected))
        for what, spoil in ways if os.environ.get("SPOILT") == "all" else [ways[number % len(ways)]]:

            def work(spoil: Callable[[], None] = spoil) -> dict[str, Any]:
                spoil()
                return _seen()

            seen.append({"what": what, "relying": names} | _in_fork(work))
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

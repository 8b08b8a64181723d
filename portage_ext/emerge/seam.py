"""The entry point: wait until two modules of Portage are imported, connect to them, and begin and end the parts of a run.

The drop-in for Portage's sync modules calls :func:`install` in every Portage program, while Portage is still being imported.
Only emerge imports ``_emerge.actions`` after that: its ``run_action`` is wrapped, and each part of ``emerge/parts`` begins in
a run that needs it. Every program that changes a PKGDIR imports ``portage.dbapi.bintree``: parts that run before its methods
are imported when such a method is called. A part that does not fit this Portage is off and says so; the others work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

from portage_ext.emerge import messages, patching
from portage_ext.emerge.parts import PARTS, Part
from portage_ext.emerge.patching import Function, Patch

if TYPE_CHECKING:
    from importlib.abc import Loader

    from portage_ext.host.probe import Expectation


def __getattr__(name: str) -> tuple[Expectation, ...]:
    """EXPECTED, which only `check` needs; computed late, because every Portage program loads the seam."""
    if name != "EXPECTED":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from portage_ext.host.probe import Function

    return (Function("_emerge.actions:run_action", ("emerge_config",), callers=("_emerge.main:emerge_main",)),)


class _ConnectingLoader:
    """Loads a module as its own loader would, and connects portage-ext to it afterwards."""

    def __init__(self, loader: Loader, connect: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._connect = connect

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Tracebacks and inspect find the source through the original.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._connect(module)


class _Waiting:
    """A meta path finder that watches for some modules and ignores all others."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in self._names:
            return None
        self._names.remove(name)
        if not self._names:
            sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _ConnectingLoader(spec.loader, _TRIGGERS[name])  # type: ignore[assignment]
        return spec


def install() -> None:
    """Watch for the modules that Portage imports next. Does nothing the second time, or if they are imported already."""
    awaited = {name for name in _TRIGGERS if name not in sys.modules}
    if awaited and not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting(awaited))


def _connect_emerge(actions: ModuleType) -> None:
    """Wrap ``run_action``. Everything else waits until a run needs it."""
    original = getattr(actions, "run_action", None)
    code = getattr(original, "__code__", None)
    # Portage is not probed here, because most runs need no part.
    if original is None or code is None or code.co_varnames[:1] != ("emerge_config",) or hasattr(original, "__wrapped__"):
        messages.not_active("run_action of this Portage is unknown, or has been replaced by another program")
        return
    patching.apply([Patch(actions, "run_action", _with_parts)])


def _with_parts(original: Function) -> Function:
    def run_action(emerge_config: Any) -> Any:
        begun, failed = begin(emerge_config)
        try:
            status = original(emerge_config)
        finally:
            # A failed run may have built packages too.
            failed = end(begun) or failed
        return status or failed or status

    return run_action


def begin(emerge_config: Any) -> tuple[list[Part], int]:
    """Begin the parts that this run needs. Returns them, and the exit status for a successful run."""
    begun: list[Part] = []
    status = 0
    for part in PARTS:
        try:
            if part.needed(emerge_config):
                part.begin(emerge_config)
                begun.append(part)
        except Exception as error:  # noqa: BLE001 - Portage must go on without us, whatever broke
            messages.off(part.loss, error)
            status = status or part.loud
    return begun, int(status)


def end(begun: list[Part]) -> int:
    """End these parts, even if one of them fails. Returns the exit status for a successful run."""
    status = 0
    for part in begun:
        try:
            status = part.end() or status
        except Exception as error:  # noqa: BLE001 - what was merged is merged
            messages.off(part.loss, error)
    return status


def _connect_methods(module: ModuleType) -> None:
    """Call parts before the methods of this module that they name."""
    for part in PARTS:
        if part.before is not None and part.before.module == module.__name__:
            try:
                owner = getattr(module, part.before.owner)
                patching.apply([Patch(owner, name, _preceded(part)) for name in part.before.methods])
            except AttributeError as error:
                messages.off(part.loss, error)


def _preceded(part: Part) -> Callable[[Function], Function]:
    def wrap(original: Function) -> Function:
        def preceded(tree: Any, *arguments: Any, **named: Any) -> Any:
            try:
                if part.before is not None and part.before.when(tree.settings):
                    part.precede(tree, *arguments, **named)
            except Exception as error:  # noqa: BLE001 - Portage must go on without us, whatever broke
                messages.off(part.loss, error)
            return original(tree, *arguments, **named)

        return preceded

    return wrap


_TRIGGERS: dict[str, Callable[[ModuleType], None]] = {
    "_emerge.actions": _connect_emerge,
    **{part.before.module: _connect_methods for part in PARTS if part.before is not None},
}

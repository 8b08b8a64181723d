"""The way in: wait for ``_emerge.actions``, and connect when it has been imported.

Portage's sync module drop-in calls :func:`install` while Portage itself is still being imported, in every one of its
programs. Only emerge imports ``_emerge.actions``; in all others nothing more happens than one entry in ``sys.meta_path``.
There, ``run_action`` is wrapped; the probe and all further patches wait for a run in which package.env makes a difference.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

from portage_ext.host import say
from portage_ext.host.concern import binaries_possible, session_needed

if TYPE_CHECKING:
    from importlib.abc import Loader

TRIGGER = "_emerge.actions"


class _ConnectingLoader:
    """Loads a module as its own loader would, and connects portage-ext to it afterwards."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Tracebacks and inspect find the source through the original.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _connect(module)


class _Waiting:
    """A meta path finder that has an eye on one module and leaves all others alone."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != TRIGGER:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _ConnectingLoader(spec.loader)  # type: ignore[assignment]
        return spec


def install() -> None:
    """Wait for emerge. Does nothing the second time, or when emerge's actions were imported already."""
    if TRIGGER not in sys.modules and not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting())


def _connect(actions: ModuleType) -> None:
    """Wrap ``run_action``; everything else waits until a run needs it."""
    original = getattr(actions, "run_action", None)
    code = getattr(original, "__code__", None)
    if original is None or code is None or code.co_varnames[:1] != ("emerge_config",) or hasattr(original, "__wrapped__"):
        say.not_active("run_action of this Portage is not known, or has been replaced by somebody else")
        return

    def run_action(emerge_config: Any) -> Any:
        _guard(emerge_config)
        with _session(original, emerge_config):
            return original(emerge_config)

    actions.run_action = run_action  # type: ignore[attr-defined]


def _guard(emerge_config: Any) -> None:
    """On a host with pinned keys, say what defeats verification. Costs others one look at a directory."""
    try:
        root = emerge_config.target_config.settings["PORTAGE_CONFIGROOT"]
        if emerge_config.action is None and os.path.isdir(os.path.join(root, "etc/portage/portage-ext/trust")):
            from portage_ext.host import guarded

            guarded.begin(emerge_config)
    except Exception as error:  # noqa: BLE001 - Portage must go on without us, whatever broke
        say.failed("cannot look for what defeats verification", error)


@contextlib.contextmanager
def _session(original: Callable[..., Any], emerge_config: Any) -> Iterator[None]:
    """Hold a session open for one run of emerge, if it needs one and this Portage is known."""
    sessions: list[ModuleType] = []
    try:
        if session_needed(emerge_config):
            from portage_ext.host import patches
            from portage_ext.host import session as session_module

            patches.apply(original)
            session_module.begin(emerge_config)
            sessions.append(session_module)
    except Exception as error:  # noqa: BLE001 - Portage must go on without us, whatever broke
        say.failed("cannot connect to this Portage", error)
    try:
        # After the whitelist, which may have switched binaries on.
        if binaries_possible(emerge_config):
            from portage_ext.host import toolchain

            toolchain.begin(emerge_config)
            sessions.append(toolchain)
    except Exception as error:  # noqa: BLE001 - the same
        say.failed("the merge list is not checked", error)
    try:
        if binaries_possible(emerge_config):
            from portage_ext.host import hint

            hint.begin(emerge_config)
            sessions.append(hint)
    except Exception as error:  # noqa: BLE001 - only a line is lost
        say.line(f"packages that are compiled against expectation are not named: {error}")
    try:
        yield
    finally:
        for session in sessions:
            session.end()

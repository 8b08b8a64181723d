"""The way in: wait for two modules of Portage, and connect when they have been imported.

Portage's sync module drop-in calls :func:`install` while Portage itself is still being imported, in every one of its
programs. Only emerge imports ``_emerge.actions`` after that: ``run_action`` is wrapped; the probe and all further patches wait
for a run in which package.env makes a difference. Whoever changes a PKGDIR imports ``portage.dbapi.bintree``: the two methods
that do it ask, each time, for one file, and the one that writes an index puts into it the contracts that Portage has dropped.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

from portage_ext.emerge import messages
from portage_ext.emerge.relevance import binaries_possible, removes_packages, session_needed

if TYPE_CHECKING:
    from importlib.abc import Loader

CONFIGURATION = "etc/portage/portage-ext.toml"
MARKS = "var/lib/portage-ext/after-emerge"


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
    """A meta path finder that has an eye on some modules and leaves all others alone."""

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
    """Wait for what Portage imports next. Does nothing the second time, or where it has been imported already."""
    awaited = {name for name in _TRIGGERS if name not in sys.modules}
    if awaited and not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting(awaited))


def _connect_emerge(actions: ModuleType) -> None:
    """Wrap ``run_action``; everything else waits until a run needs it."""
    original = getattr(actions, "run_action", None)
    code = getattr(original, "__code__", None)
    if original is None or code is None or code.co_varnames[:1] != ("emerge_config",) or hasattr(original, "__wrapped__"):
        messages.not_active("run_action of this Portage is not known, or has been replaced by somebody else")
        return

    def run_action(emerge_config: Any) -> Any:
        _running.append(emerge_config)
        _guard(emerge_config)
        try:
            with _session(original, emerge_config):
                status = original(emerge_config)
        except (Exception, SystemExit):  # a run that failed so may have left packages, too; it is raised again
            _after(emerge_config)
            raise
        failed = _after(emerge_config)
        return status or failed or status

    actions.run_action = run_action  # type: ignore[attr-defined]


def _after(emerge_config: Any) -> int:
    """On a binhost, work after an emerge that may have changed PKGDIR. Costs others one look at a directory."""
    for trouble in _troubles:
        messages.line(f"after-emerge FAILED: what was built is not published: {trouble}")
    status = 1 if _troubles else 0
    try:
        _running.clear()
        root = emerge_config.target_config.settings["PORTAGE_CONFIGROOT"]
        looks_only = "--pretend" in emerge_config.opts or emerge_config.action in ("info", "list-sets", "search")
        if not looks_only and os.access(os.path.join(root, MARKS), os.W_OK):
            from portage_ext.emerge import after

            return after.finish(root, emerge_config.target_config.settings) or status
    except ModuleNotFoundError:
        return status  # this run has unmerged portage-ext
    except Exception as error:  # noqa: BLE001 - what was merged is merged, whatever broke here
        messages.line(f"after-emerge FAILED: {type(error).__name__}: {error}")
        return 1
    return status


def _connect_packages(bintree: ModuleType) -> None:
    """Have whoever changes a PKGDIR leave a mark before, and put contracts into its index."""
    tree = bintree.binarytree
    for name in ("inject", "_pkgindex_write"):
        method = getattr(tree, name, None)
        if method is None or hasattr(method, "__wrapped__"):
            messages.not_active(f"binarytree.{name} of this Portage is not known, or has been replaced by somebody else")
            return
    tree.inject = _marking(tree.inject)
    tree._pkgindex_write = _marking(_completing(tree._pkgindex_write))


def _marking(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def marking(tree: Any, *arguments: Any, **named: Any) -> Any:
        try:
            root = tree.settings["PORTAGE_CONFIGROOT"]
            if os.path.exists(os.path.join(root, CONFIGURATION)):
                from portage_ext.emerge import after

                after.mark(root, tree.pkgdir, emerge=bool(_running))
        except Exception as error:  # noqa: BLE001 - Portage must go on without us, whatever broke
            trouble = f"{type(error).__name__}: {error}"
            if not _running:
                messages.line(f"after-emerge FAILED: what was built is not published: {trouble}")
            elif trouble not in _troubles:
                _troubles.append(trouble)
        return original(tree, *arguments, **named)

    return marking


def _completing(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def completing(tree: Any, pkgindex: Any, *arguments: Any, **named: Any) -> Any:
        try:
            from portage_ext.emerge import index_key

            index_key.complete(tree, pkgindex.packages)
        except Exception as error:  # noqa: BLE001 - an index without them is what Portage writes by itself
            messages.failed("contracts are missing in the index until portage-ext reindex", error)
        return original(tree, pkgindex, *arguments, **named)

    return completing


_TRIGGERS: dict[str, Callable[[ModuleType], None]] = {
    "_emerge.actions": _connect_emerge,
    "portage.dbapi.bintree": _connect_packages,
}
_running: list[Any] = []
"""The configuration of the emerge that goes on in this process, if it is one."""
_troubles: list[str] = []
"""Why marks could not be left. emerge swallows what is said while it injects a package: it is said at the end."""


def _guard(emerge_config: Any) -> None:
    """On a host with pinned keys, say what defeats verification. Costs others one look at a directory."""
    try:
        root = emerge_config.target_config.settings["PORTAGE_CONFIGROOT"]
        if emerge_config.action is None and os.path.isdir(os.path.join(root, "etc/portage/portage-ext/trust")):
            from portage_ext.emerge import verification

            verification.begin(emerge_config)
    except Exception as error:  # noqa: BLE001 - Portage must go on without us, whatever broke
        messages.failed("cannot look for what defeats verification", error)


@contextlib.contextmanager
def _session(original: Callable[..., Any], emerge_config: Any) -> Iterator[None]:
    """Hold a session open for one run of emerge, if it needs one and this Portage is known."""
    begun: list[ModuleType] = []
    try:
        if session_needed(emerge_config):
            from portage_ext.emerge import session, whitelist_patches

            whitelist_patches.apply(original)
            session.begin(emerge_config)
            begun.append(session)
    except Exception as error:  # noqa: BLE001 - Portage must go on without us, whatever broke
        messages.failed("cannot connect to this Portage", error)
    # After the whitelist, which may have switched binaries on.
    for name, needed, trouble in _PARTS:
        try:
            if needed(emerge_config):
                part = importlib.import_module(f"portage_ext.emerge.{name}")
                part.begin(emerge_config)
                begun.append(part)
        except Exception as error:  # noqa: BLE001 - the same
            messages.failed(trouble, error)
    try:
        yield
    finally:
        for part in begun:
            part.end()


_PARTS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    # Also when no list is checked: what Portage caches of an index is what it has read.
    ("index_key", binaries_possible, "indices lose their contracts"),
    ("ordering", binaries_possible, "the merge list is not checked"),
    ("hint", binaries_possible, "what is compiled against expectation is not named"),
    ("removal", removes_packages, "what is removed is not checked"),
)
"""Modules that have their part in a run, when they do, and what is lost without them."""

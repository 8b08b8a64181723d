"""``BINPKG_ONLY="wait"`` in an env file: emerge never compiles the package, and does not fail for lack of a binary.

The resolver sees what is installed and what comes as a binary, as with ``--usepkgonly``, but for this package alone. What has
no binary stays at its version, and one line at the end names it and since when it waits. ``--usepkg-exclude ATOM`` on the
command line forces a package: without binaries it has nothing to wait for.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from _emerge import actions
from _emerge import depgraph as resolver
from _emerge.depgraph import depgraph
from _emerge.Package import Package
from portage._sets.base import InternalPackageSet
from portage.dep import Atom

from portage_ext import words
from portage_ext.emerge import messages, patching
from portage_ext.emerge.lacking import held as held_back
from portage_ext.emerge.lacking import variable
from portage_ext.emerge.lacking.forked import Note
from portage_ext.emerge.lacking.held import Held
from portage_ext.emerge.lacking.variable import PackageVariable
from portage_ext.emerge.patching import Function, Patch
from portage_ext.emerge.relevance import ONLY
from portage_ext.host.probe import Expectation, Names
from portage_ext.host.probe import Function as Expected
from portage_ext.unattended import waited
from portage_ext.unattended.waited import Waited

WAIT: Final = "wait"
_GRAPH: Final = "_emerge.depgraph:depgraph"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Expected(
        f"{_GRAPH}._iter_match_pkgs",
        ("self", "root_config", "pkg_type", "atom"),
        callers=(f"{_GRAPH}._iter_match_pkgs_any", f"{_GRAPH}._wrapped_select_pkg_highest_available_imp"),
    ),
    Expected(
        f"{_GRAPH}._equiv_ebuild_visible", ("self", "pkg"), callers=(f"{_GRAPH}._wrapped_select_pkg_highest_available_imp",)
    ),
    Expected(
        "_emerge.depgraph:get_mask_info", ("root_config", "cpv", "pkgsettings"), callers=(f"{_GRAPH}._show_unsatisfied_dep",)
    ),
    Expected("_emerge.depgraph:backtrack_depgraph", ("settings", "trees", "myopts", "myparams", "myaction", "myfiles")),
    Names("_emerge.depgraph:_dynamic_depgraph_config.__init__", ("_missing_args", "digraph")),
    Names("_emerge.depgraph:_frozen_depgraph_config.__init__", ("usepkg_exclude", "myopts")),
    *variable.EXPECTED,
    *held_back.EXPECTED,
)
_NAMED: Final = 3
"""Packages that the command for more names at most."""


class Waiting:
    """One run of emerge: which packages wait, and which ebuilds were hidden for that."""

    def __init__(self, emerge_config: Any) -> None:
        self._config = emerge_config
        self._variables: dict[str, PackageVariable] = {}
        self._known: dict[Any, bool] = {}
        self._wrong: set[str] = set()
        self.hidden: dict[tuple[str, str], dict[Any, None]] = {}
        self.note = Note()

    @cached_property
    def _forced(self) -> Any:
        """What --usepkg-exclude names, also when --resume has brought the option back."""
        return InternalPackageSet(initial_atoms=_atoms(self._config.opts.get("--usepkg-exclude")), allow_wildcard=True)

    def waits(self, package: Any) -> bool:
        """Whether ``package`` (an ``_emerge.Package``) may not be compiled. If that cannot be told, it may."""
        key = (package.root, package.cpv, package.slot, package.repo)
        if key not in self._known:
            try:
                self._known[key] = self._asked_to_wait(package)
            except Exception as error:  # noqa: BLE001 - Portage's own behaviour instead
                messages.failed(f'{ONLY}="{WAIT}" for', error, str(package.cpv))
                self._known[key] = False
        return self._known[key]

    def _asked_to_wait(self, package: Any) -> bool:
        settings = package.root_config.settings
        root = settings["PORTAGE_CONFIGROOT"]
        if root not in self._variables:
            self._variables[root] = PackageVariable(settings, ONLY)
        value = self._variables[root].of(package.cpv)
        if value not in ("", "no", WAIT) and value not in self._wrong:
            self._wrong.add(value)
            messages.line(f'{ONLY}="{value}" is neither "{WAIT}" nor "no", and counts as "no" ({package.cp})')
        return bool(value == WAIT and not self._forced.findAtomForPackage(package))

    def seen(self, packages: Iterator[Any]) -> Iterator[Any]:
        """Those of the ebuilds ``packages`` that emerge may compile."""
        for package in packages:
            if self.waits(package):
                self.hidden.setdefault((package.root, package.cp), {})[package] = None
            else:
                yield package

    def finish(self, graph: Any) -> list[Held]:
        """What the finished ``graph`` leaves out; it is noted for the parent of this process. Raises OSError."""
        # Nobody has looked at an update that only the update of something else would have needed.
        for package in [one for one in graph._dynamic_config.digraph if isinstance(one, Package) and self.waits(one)]:
            self.hidden.setdefault((package.root, package.cp), {}).update(dict.fromkeys(held_back.newer(graph, package)))
        arguments = graph._dynamic_config._missing_args
        found = held_back.held(graph, self.hidden)
        names = {name for _, name in self.hidden}
        # Portage says of these that no ebuild exists.
        arguments[:] = [one for one in arguments if one[1].cp not in names]
        self.note.write([list(one) for one in found])
        return found

    def noted(self) -> list[Held]:
        """What :meth:`finish` found last. Raises OSError."""
        return [Held(*one) for one in self.note.read() or ()]

    def say(self) -> None:
        """Name what waits, and since when. Raises OSError."""
        if self.note.read() is None:
            return  # nothing was resolved
        found = self.noted()
        settings = self._config.target_config.settings
        eroot = Path(settings["EROOT"])
        now, before = int(time.time()), waited.load(eroot)
        known = {one.place: Waited(one.cpv, before[one.place].since if one.place in before else now) for one in found}
        if "--pretend" not in self._config.opts:
            installed = self._config.target_config.trees["vartree"].dbapi
            still = {place: one for place, one in before.items() if place not in known and _is_behind(installed, place, one)}
            try:
                waited.save(eroot, known | still)
            except OSError as error:
                messages.line(f"cannot record since when packages wait for a binary: {error}")
        if not found:
            return
        told = ", ".join(_told(one, known[one.place].since) for one in found)
        asked = " ".join(dict.fromkeys(one.place.rpartition(":")[0] for one in found[:_NAMED]))
        verb = "waits" if len(found) == 1 else "wait"
        messages.line(f"{words.counted(len(found))} {verb} for a binary: {told}. To see why, run: portage-ext why {asked}")


current: Waiting | None = None
"""What waits in this run of emerge, if anything can."""


def begin(emerge_config: Any) -> None:
    """Start to hide ebuilds in this run."""
    global current
    patching.apply(_PATCHES)
    current = Waiting(emerge_config)


def end() -> None:
    """Stop, and name what waits."""
    run = release()
    if run is not None:
        run.say()


def release() -> Waiting | None:
    """Stop to hide ebuilds, and say nothing; returns what knows which packages wait."""
    global current
    run, current = current, None
    return run


@contextlib.contextmanager
def suspended() -> Iterator[None]:
    """Hide nothing within the block."""
    global current
    run, current = current, None
    try:
        yield
    finally:
        current = run


def _atoms(chosen: Any) -> list[Any]:
    """The atoms of an option that can be given several times, each with several atoms."""
    return [Atom(atom, allow_wildcard=True, allow_repo=True) for one in chosen or () for atom in one.split()]


def _told(one: Held, since: int) -> str:
    stays = f"{one.installed.rpartition('/')[2]} stays" if one.installed else "not installed"
    needs = f"needs {one.needs}; " if one.needs else ""
    return f"{one.cpv} ({needs}{stays}, since {words.day(since)})"


def _is_behind(installed: Any, place: str, one: Waited) -> bool:
    """Whether a package that this run did not look at is still installed in a lower version than it waits for."""
    name, _, slot = place.rpartition(":")
    present = installed.match(f"{name}:{slot}")
    return bool(present) and not installed.match(f">={one.cpv}:{slot}")


def _iter_match_pkgs(original: Function) -> Function:
    def _iter_match_pkgs(self: Any, root_config: Any, pkg_type: str, atom: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        found: Iterator[Any] = original(self, root_config, pkg_type, atom, *args, **kwargs)
        return current.seen(found) if pkg_type == "ebuild" and current is not None else found

    return _iter_match_pkgs


def _equiv_ebuild_visible(original: Function) -> Function:
    def _equiv_ebuild_visible(self: Any, pkg: Any, *args: Any, **kwargs: Any) -> Any:
        # A version whose ebuild is gone stays, as with --usepkgonly: else an older binary would replace it.
        kept = self._frozen_config.myopts.get("--use-ebuild-visibility", "n") == "n"
        if current is not None and kept and current.waits(pkg):
            return True
        return original(self, pkg, *args, **kwargs)

    return _equiv_ebuild_visible


def _get_mask_info(original: Function) -> Function:
    def get_mask_info(root_config: Any, cpv: Any, *args: Any, **kwargs: Any) -> Any:
        metadata, reasons = original(root_config, cpv, *args, **kwargs)
        try:
            hidden = current.hidden.get((root_config.root, cpv.cp), ()) if current is not None else ()
            if not reasons and any(one.cpv == cpv for one in hidden):
                reasons = [f'{ONLY}="{WAIT}"']
        except Exception as error:  # noqa: BLE001 - only words are lost
            messages.failed("the reason why a package is masked", error)
        return metadata, reasons

    return get_mask_info


def _backtrack_depgraph(original: Function) -> Function:
    def backtrack_depgraph(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if current is not None:
            try:
                current.finish(result[1])
            except Exception as error:  # noqa: BLE001 - only words are lost
                messages.line(f"cannot tell which packages wait for a binary: {type(error).__name__}: {error}")
        return result

    return backtrack_depgraph


_PATCHES: Final = (
    Patch(depgraph, "_iter_match_pkgs", _iter_match_pkgs),
    Patch(depgraph, "_equiv_ebuild_visible", _equiv_ebuild_visible),
    Patch(resolver, "get_mask_info", _get_mask_info),
    Patch(actions, "backtrack_depgraph", _backtrack_depgraph),
)

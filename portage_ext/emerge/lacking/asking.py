"""``BUILD_ON_MISS="ask|wait"`` in an env file of package.env: what emerge would compile is asked for from the service of [ask].

All misses of a run go as one batch, after the resolver. ``ask`` goes on as emerge would. ``wait`` holds before the first merge,
until the packages are built or the deadline is over, and then resolves once more. Ctrl-C leaves the request standing. When the
service is down, or refuses, emerge does what it does without us, and one line says why.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from _emerge import actions

from portage_ext import words
from portage_ext.asking import protocol, telling
from portage_ext.asking.following import follow
from portage_ext.asking.protocol import Standing, Wanted
from portage_ext.asking.service import Service
from portage_ext.config import settings as configuration
from portage_ext.config.asking import Asking
from portage_ext.emerge import messages, patching
from portage_ext.emerge.lacking import misses, variable, waiting
from portage_ext.emerge.lacking.variable import PackageVariable
from portage_ext.emerge.patching import Function, Patch
from portage_ext.emerge.relevance import MISS
from portage_ext.errors import PortageExtError
from portage_ext.host.probe import Expectation, Names
from portage_ext.host.probe import Function as Expected

ASK: Final = "ask"
WAIT: Final = "wait"
_FORMS: Final = {"--getbinpkg-exclude": "getbinpkg_exclude", "--getbinpkg-include": "getbinpkg_include"}
"""Options of newer Portages, and what they are called where an index is read."""
EXPECTED: Final[tuple[Expectation, ...]] = (
    Expected("_emerge.depgraph:backtrack_depgraph", ("settings", "trees", "myopts", "myparams", "myaction", "myfiles")),
    Expected("portage.dbapi.bintree:binarytree.populate", ("self", "getbinpkgs"), ("getbinpkg_refresh",)),
    Expected("_emerge.depgraph:depgraph.need_config_reload", ("self",)),
    Names("_emerge.depgraph:depgraph.need_config_reload", ("_need_config_reload", "_dynamic_config")),
    *variable.EXPECTED,
    *misses.EXPECTED,
)
_NO_MERGE: Final = ("--fetchonly", "--fetch-all-uri", "--buildpkgonly", "--nodeps")
_NAMED: Final = 6


class Asker:
    """One run of emerge, and the service that it asks."""

    def __init__(self, emerge_config: Any, asking: Asking) -> None:
        self._config = emerge_config
        self._asking = asking
        self._variables: dict[str, PackageVariable] = {}
        self._asked = False

    def resolved(self, resolve: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any], result: Any) -> Any:
        """What emerge goes on with after ``resolve(*arguments, **named)`` gave ``result``: that, or a second resolution."""
        if self._asked:
            return result
        self._asked = True
        found = self._misses(resolve, arguments, named, result)
        if not found:
            return result
        if "--pretend" in self._config.opts:
            messages.line(f"would ask {self._asking.where} for {_named([one.cpv for one, _ in found])}")
            return result
        standings = self._request([one for one, _ in found], any(mode == WAIT for _, mode in found))
        waited = {one.cpv for one, mode in found if mode == WAIT}
        held = [one for one in standings if one.cpv in waited]
        if not held:
            return result
        ended = held if all(one.has_ended for one in held) else self._wait(held)
        if not any(one.state == "published" for one in ended):
            return result
        self._refresh(arguments[1])
        again = resolve(*arguments, **named)
        # The parent of this process, and the scheduler, must see the new packages, too.
        again[1]._dynamic_config._need_config_reload = True
        return again

    def _misses(
        self, resolve: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any], result: Any
    ) -> list[tuple[Wanted, str]]:
        success, graph, _ = result
        run = waiting.current
        if run is not None and run.hidden and run.noted():
            # What waits for a binary is not in the list: the list without that has it, and what it needs.
            with waiting.suspended(), _silent():
                everything = resolve(*arguments, **named)
            if everything[0]:
                success, graph, _ = everything
        if not success:
            return []
        packages = misses.whitelisted(misses.compiled(graph), self._config.opts.get("--getbinpkg") is True)
        asked = [(one, self._mode(one)) for one in packages]
        return [(misses.wanted(graph, one), mode) for one, mode in asked if mode in (ASK, WAIT)]

    def _mode(self, package: Any) -> str:
        settings = package.root_config.settings
        root = settings["PORTAGE_CONFIGROOT"]
        if root not in self._variables:
            self._variables[root] = PackageVariable(settings, MISS)
        return self._variables[root].of(package.cpv)

    def _request(self, wanted: Sequence[Wanted], waits: bool) -> list[Standing]:
        """Ask, and say what became of it; where each package stands."""
        with Service(self._asking, hasty=True) as service:
            found: list[Standing] = []
            for begin in range(0, len(wanted), protocol.BATCH):
                batch = wanted[begin : begin + protocol.BATCH]
                found += service.request(batch, protocol.HURRIES[2 if waits else 1])
        messages.line(f"asked {self._asking.where} for {_named([one.cpv for one in wanted])}: {telling.summary(found)}")
        return found

    def _wait(self, held: Sequence[Standing]) -> list[Standing]:
        """Hold until all have ended, or the deadline is over."""
        before: list[Standing] = []

        def told(found: Sequence[Standing]) -> None:
            changed = list(telling.changes(before, found))
            if changed:
                messages.progress("")
            for text in changed:
                messages.line(text)
            before[:] = found
            messages.progress(telling.progress(found))

        try:
            # A person who sees this line may press Ctrl-C before print returns.
            packages = words.counted(len(held))
            messages.line(f"waiting for {packages} before anything is merged; Ctrl-C leaves the request standing")
            found = follow(self._asking, held, told, deadline=self._asking.deadline)
        except (KeyboardInterrupt, SystemExit):
            messages.progress("")  # before the line, not after it
            messages.line("the request stands. Run emerge again when it is built; to wait for that: portage-ext request --wait")
            raise
        finally:
            messages.progress("")
        late = [one.cpv for one in found if not one.has_ended]
        if late:
            deadline = words.spell(self._asking.deadline)
            messages.line(f"not built within {deadline}: {_named(late)}. emerge goes on without; the request stands")
        return found

    def _refresh(self, trees: Any) -> None:
        """Read the indexes of the binhosts again."""
        options = self._config.opts
        chosen = {keyword: options[name] for name, keyword in _FORMS.items() if name in options}
        for root in trees:
            trees[root]["bintree"].populate(getbinpkgs=True, getbinpkg_refresh=True, **chosen)


_current: Asker | None = None


def begin(emerge_config: Any) -> None:
    """Ask in this run, where portage-ext.toml names a service. Raises SettingsError."""
    global _current
    _current = None
    root = Path(emerge_config.target_config.settings["PORTAGE_CONFIGROOT"])
    asking = configuration.load(root).asking
    if asking is None:
        messages.line(f"{MISS} is set, and portage-ext.toml has no [ask] that says whom to ask")
    elif not any(option in emerge_config.opts for option in _NO_MERGE):
        patching.apply(_PATCHES)
        _current = Asker(emerge_config, asking)


def end() -> None:
    """Stop."""
    global _current
    _current = None


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Portage's progress is not printed twice."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _named(cpvs: Sequence[str]) -> str:
    more = f" and {len(cpvs) - _NAMED} more" if len(cpvs) > _NAMED else ""
    return f"{words.counted(len(cpvs))} ({', '.join(cpvs[:_NAMED])}{more})"


def _backtrack_depgraph(original: Function) -> Function:
    def backtrack_depgraph(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if _current is None:
            return result
        try:
            return _current.resolved(original, args, kwargs, result)
        except PortageExtError as error:
            messages.line(f"emerge goes on without asking for builds: {error}")
        except Exception as error:  # noqa: BLE001 - emerge must go on without us, whatever broke
            messages.line(f"emerge goes on without asking for builds: {type(error).__name__}: {error}")
        return result

    return backtrack_depgraph


_PATCHES: Final = (Patch(actions, "backtrack_depgraph", _backtrack_depgraph),)

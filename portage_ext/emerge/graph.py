"""The merge list of this emerge as a graph during the run: written for `portage-ext watch`, and drawn below emerge's output.

The graph is read before Portage prunes it. Once a second the scheduler is asked what runs, and nothing is changed. An error in
this module is reported once, and emerge continues without the graph.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from _emerge.Scheduler import Scheduler
from portage import output

from portage_ext import files
from portage_ext.config import watching
from portage_ext.config.watching import Watching
from portage_ext.emerge import messages, patching
from portage_ext.emerge.patching import Function, Patch
from portage_ext.graph import record
from portage_ext.graph.footer import Footer, usable
from portage_ext.graph.line import signs
from portage_ext.graph.picture import Picture
from portage_ext.graph.plan import Kind, Moment, Node, Plan, Running
from portage_ext.host import running
from portage_ext.host.buildtimes import MergeTimes, log_path, merge_times
from portage_ext.host.probe import Attribute, Expectation, Names
from portage_ext.host.probe import Function as Expected
from portage_ext.limits import views as limits

_SCHEDULER: Final = "_emerge.Scheduler:Scheduler"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Expected(f"{_SCHEDULER}._set_graph_config", ("self", "graph_config"), callers=(f"{_SCHEDULER}._init_graph",)),
    Expected(f"{_SCHEDULER}._main_loop", ("self",), callers=(f"{_SCHEDULER}._merge",)),
    Names(f"{_SCHEDULER}._set_graph_config", ("graph", "mergelist")),
    Names(f"{_SCHEDULER}.__init__", ("_running_tasks", "_completed_tasks", "_failed_pkgs", "_failed_pkgs_all", "_task_queues")),
    Names(f"{_SCHEDULER}.__init__", ("_status_display", "myopts", "settings")),
    Names(f"{_SCHEDULER}._set_max_jobs", ("_max_jobs",)),
    Names(f"{_SCHEDULER}.merge", ("_background",)),
    Names("_emerge.PollScheduler:PollScheduler.__init__", ("_event_loop", "_terminated")),
    Names("_emerge.JobStatusDisplay:JobStatusDisplay.__init__", ("_isatty",)),
    Names("_emerge.SequentialTaskQueue:SequentialTaskQueue.__init__", ("_task_queue", "running_tasks")),
    Attribute("_emerge.CompositeTask:CompositeTask._current_task"),
    Expected("portage.util.digraph:digraph.child_nodes", ("self", "node")),
    *running.EXPECTED,
)
_LOSS: Final = "the graph of the running emerge is off"
_SOON: Final = 0.1
"""Seconds until the footer comes back after something was printed, and until the first picture."""
_PHASES: Final = {
    "BinpkgFetcher": "fetch",
    "BinpkgPrefetcher": "fetch",
    "EbuildFetcher": "fetch",
    "BinpkgVerifier": "verify",
    "BinpkgExtractorAsync": "unpack",
    "PackageMerge": "merge",
}
"""What a task does, for tasks that are not a phase of an ebuild."""
_DEPTH: Final = 16
"""The depth of nested tasks that are searched for the phase."""

_current: _Run | None = None


def begin(emerge_config: Any) -> None:
    """Start to follow the merge list of this run."""
    global _current
    _current = None
    settings = emerge_config.target_config.settings
    chosen = watching.configured(Path(settings["PORTAGE_CONFIGROOT"]), os.environ)
    if chosen.graph or chosen.publish:
        patching.apply(_PATCHES)
        _current = _Run(chosen)


def end() -> None:
    """Stop, and remove what was written."""
    global _current
    run, _current = _current, None
    if run is not None:
        run.end()


def _with_plan(original: Function) -> Function:
    def _set_graph_config(self: Any, graph_config: Any) -> Any:
        if _current is not None and graph_config is not None:
            _current.safely(lambda: _current.take(graph_config))
        return original(self, graph_config)

    return _set_graph_config


def _looked_at(original: Function) -> Function:
    def _main_loop(self: Any) -> Any:
        run = _current
        if run is None:
            return original(self)
        with run.looking(self):
            return original(self)

    return _main_loop


_PATCHES: Final = (
    Patch(Scheduler, "_set_graph_config", _with_plan),
    Patch(Scheduler, "_main_loop", _looked_at),
)


def _key(package: Any) -> tuple[str, str, str]:
    return str(package.root), str(package.cpv), str(package.operation)


class _Run:
    """One run of emerge: its plan, and its progress so far."""

    def __init__(self, chosen: Watching) -> None:
        self._chosen = chosen
        self._pid = os.getpid()
        self._places: dict[tuple[str, str, str], int] = {}
        self._plan: Plan | None = None
        self._lists = 0
        self._times: MergeTimes | None = None
        self._since: dict[int, float] = {}
        self._done: set[int] = set()
        self._failed: set[int] = set()
        self._directory: Path | None = None
        self._written = ""
        self._picture: Picture | None = None
        self._footer: Footer | None = None
        self._scheduler: Any = None
        self._handle: Any = None
        self._broken = False

    # --- what emerge is about to do

    def take(self, graph_config: Any) -> None:
        """The list for the scheduler. After --keep-going, the remaining packages keep their places in the whole list."""
        packages = [one for one in graph_config.mergelist if getattr(one, "operation", None) in ("merge", "uninstall")]
        keys = [_key(one) for one in packages]
        if self._plan is not None and self._places.keys() >= set(keys):
            left = {self._places[key] for key in keys}
            self._failed |= set(range(len(self._plan.nodes))) - left - self._done
            return
        self._places = {key: place for place, key in enumerate(keys)}
        known = {id(one): place for place, one in enumerate(packages)}
        graph = graph_config.graph
        needs: list[tuple[int, ...]] = []
        for one in packages:
            below = graph.child_nodes(one) if graph is not None and one in graph else ()
            places = {known[id(child)] for child in below if id(child) in known}
            needs.append(tuple(sorted(places - {known[id(one)]})))
        self._plan = Plan(tuple(map(_node, packages)), tuple(needs))
        self._lists += 1
        self._picture = None
        self._done, self._failed, self._since = set(), set(), {}

    # --- while it works

    @contextlib.contextmanager
    def looking(self, scheduler: Any) -> Iterator[None]:
        """Check ``scheduler`` each second while its main loop runs."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._stop)
            self._scheduler = scheduler
            self.safely(lambda: self._start(stack))
            yield

    def safely(self, work: Any) -> None:
        """Do it, unless something of this has failed before."""
        if self._broken:
            return
        try:
            work()
        except Exception as error:  # noqa: BLE001 - emerge must continue without it
            self._broken = True
            self._remove()
            if self._footer is not None:
                with contextlib.suppress(Exception):
                    self._footer.hide()
            messages.off(_LOSS, error)

    def _start(self, stack: contextlib.ExitStack) -> None:
        if self._plan is None or not self._plan.nodes:
            return
        if self._chosen.graph and self._may_draw():
            self._footer = Footer(self._come_back)
            stack.enter_context(self._footer.below())
        self._later(_SOON)

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._footer = self._scheduler = None

    def _may_draw(self) -> bool:
        """On a terminal, with quiet builds: what builds print would go through the footer."""
        scheduler = self._scheduler
        quiet = scheduler._status_display.quiet or "--quiet" in scheduler.myopts
        terminal = scheduler._status_display._isatty and usable(sys.stdout, os.environ.get("TERM", ""))
        return bool(scheduler._background and terminal and not quiet)

    def _later(self, seconds: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._scheduler._event_loop.call_later(seconds, lambda: self.safely(self._look))

    def _come_back(self) -> None:
        # Other threads must not use the loop. The footer is back after a second anyway.
        if self._scheduler is not None and threading.current_thread() is threading.main_thread():
            self._later(_SOON)

    def _look(self) -> None:
        if self._scheduler is None:
            return
        self._handle = None
        moment = self._moment()
        if self._chosen.publish:
            self._publish(moment)
        if self._footer is not None and self._scheduler._terminated.is_set():
            # After Ctrl-C, the programs that it killed write past emerge, which must not go through a picture.
            self._footer.hide()
        elif self._footer is not None:
            if self._picture is None:
                self._picture = Picture(self._known())
            sign = signs(os.environ)
            lines = self._picture.lines(moment, *self._footer.room(), sign)
            coloured = output.havecolor and not os.environ.get("NO_COLOR")
            self._footer.show([line.painted() if coloured else line.text() for line in lines])
        self._later(limits.WATCH_SECONDS)

    def _moment(self) -> Moment:
        scheduler = self._scheduler
        now = time.time()
        working: dict[int, Running] = {}
        for task in list(scheduler._running_tasks.values()):
            package = getattr(task, "pkg", None) or getattr(getattr(task, "merge", None), "pkg", None)
            place = self._places.get(_key(package)) if package is not None else None
            if place is not None:
                settings = getattr(task, "settings", None) or getattr(getattr(task, "merge", None), "settings", None) or {}
                log = str(settings.get("PORTAGE_LOG_FILE") or "")
                since = self._since.setdefault(place, now)
                working[place] = Running(place, _phase(task), since, log)
        self._done |= set(self._seen(scheduler._completed_tasks))
        failed = [one.pkg for one in (*scheduler._failed_pkgs, *scheduler._failed_pkgs_all)]
        self._failed = (self._failed | set(self._seen(failed))) - self._done
        waiting = scheduler._task_queues.fetch
        fetching = (getattr(one, "pkg", None) for one in (*waiting.running_tasks, *waiting._task_queue))
        jobs = scheduler._max_jobs
        return Moment(
            now,
            tuple(working[place] for place in sorted(working) if place not in self._done),
            frozenset(self._done),
            frozenset(self._failed),
            tuple(sorted(set(self._seen(one for one in fetching if one is not None)) - self._done)),
            0 if jobs is True else int(jobs),
        )

    def _seen(self, packages: Any) -> Iterator[int]:
        for package in packages:
            place = self._places.get(_key(package))
            if place is not None:
                yield place

    def _known(self) -> Plan:
        """The plan with the times that emerge.log knows, which is read once."""
        if self._plan is None:
            raise LookupError("there is no list")
        if self._times is None:
            self._times = merge_times(log_path(self._scheduler.settings))
        tables = {Kind.EBUILD: self._times.builds, Kind.BINARY: self._times.binaries, Kind.UNINSTALL: {}}
        nodes = (Node(one.cpv, one.kind, one.root, tables[one.kind].get(one.cp)) for one in self._plan.nodes)
        return Plan(tuple(nodes), self._plan.needs)

    # --- for others

    def _publish(self, moment: Moment) -> None:
        start = record.began(self._pid)
        if start is None:
            return
        word = f"list-{self._lists}"
        if self._directory is None:
            directory = running.run_directory()
            try:
                files.make_directory(directory)
                _sweep(directory)
            except OSError:
                return self._give_up()
            self._directory = directory
        try:
            if self._written != word:
                text = record.plan_text(self._known(), self._pid, start, word)
                files.replace_file(record.plan_path(self._directory, self._pid), text, lasting=False)
                self._written = word
            text = record.state_text(moment, self._pid, start, word)
            files.replace_file(record.state_path(self._directory, self._pid), text, lasting=False)
        except OSError:
            self._give_up()
        return None

    def _give_up(self) -> None:
        """Write the files. Without permission, or on a full disk, they are silently left out, as Portage does with its own."""
        self._chosen = Watching(self._chosen.graph, False)
        self._remove()

    def _remove(self) -> None:
        if self._directory is not None and os.getpid() == self._pid:
            for path in (record.state_path(self._directory, self._pid), record.plan_path(self._directory, self._pid)):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)

    def end(self) -> None:
        self._remove()


def _node(package: Any) -> Node:
    kind = Kind.UNINSTALL if package.operation == "uninstall" else Kind.BINARY if package.built else Kind.EBUILD
    return Node(str(package.cpv), kind, str(package.root))


def _phase(task: Any) -> str:
    """What ``task`` does: the phase of the ebuild, or the step of a binary, that is furthest in."""
    found = ""
    seen = task
    for _ in range(_DEPTH):
        if seen is None:
            break
        phase = getattr(seen, "phase", None)
        found = phase if isinstance(phase, str) and phase else _PHASES.get(type(seen).__name__, found)
        seen = getattr(seen, "_current_task", None)
    return found or "begin"


def _sweep(directory: Path) -> None:
    """Remove what a killed emerge has left."""
    for pid in record.pids(directory):
        if record.began(pid) is None:
            for path in (record.state_path(directory, pid), record.plan_path(directory, pid)):
                with contextlib.suppress(OSError):
                    path.unlink()

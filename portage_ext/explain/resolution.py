"""What emerge would take: its own ``run_action`` up to the list, in this process, with the whitelist that would hold for it.

Options, sets, index, settings: all of it is Portage's and the session's. Only the last step is ours: instead of showing and
merging the list, the finished graph is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from portage_ext.errors import ResolutionError
from portage_ext.explain import command_line
from portage_ext.explain.command_line import overheard, understood
from portage_ext.explain.verdict import Again, Reason
from portage_ext.host.probe import Expectation, Function
from portage_ext.policy.getbinpkg import Run

EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("_emerge.actions:run_action", ("emerge_config",)),
    Function("_emerge.actions:action_build", ("emerge_config",), ("spinner",), callers=("_emerge.actions:run_action",)),
    Function("_emerge.create_depgraph_params:create_depgraph_params", ("myopts", "myaction")),
    Function(
        "_emerge.depgraph:backtrack_depgraph",
        ("settings", "trees", "myopts", "myparams", "myaction", "myfiles", "spinner"),
    ),
    Function("_emerge.depgraph:depgraph.altlist", ("self",)),
    Function("_emerge.depgraph:depgraph.display_problems", ("self",)),
    *command_line.EXPECTED,
)


@dataclass(slots=True)
class Resolution:
    """A finished resolution: ``graph`` is Portage's depgraph, ``packages`` what it would merge, in order.

    ``hides_local``: local binaries of unlisted packages stay out of sight. ``again`` repeats the question. ``asked`` says of a
    binrepo whether emerge has just read its index. ``resolved`` is off where emerge found no solution. ``spoken``: what Portage
    said meanwhile. ``troubles``: the binrepos about which something is wrong as a whole.
    """

    graph: Any
    settings: Any
    options: dict[str, Any]
    run: Run
    hides_local: bool
    packages: list[Any]
    again: Again
    asked: Callable[[str], bool]
    resolved: bool
    waits: Callable[[Any], bool] = lambda _: False
    """Whether emerge would keep a package at its version instead of compiling it (BINPKG_ONLY)."""
    spoken: str = ""
    troubles: dict[str, Reason] = field(default_factory=dict)


def resolve(words: Sequence[str], *, without_index: bool = False) -> Resolution:
    """Resolve ``words``, emerge's own arguments, as ``emerge --pretend`` would; ``without_index`` as if no binrepo were there.

    Where Portage finds no solution, the graph tells what is missing. Raises UsageError for words that make no list,
    SettingsError for configuration that Portage cannot read, ResolutionError when Portage refuses to look for a solution.
    """
    # Portage decides on its own output while it is imported.
    from _emerge import actions
    from _emerge.create_depgraph_params import create_depgraph_params
    from _emerge.depgraph import backtrack_depgraph
    from portage.exception import PortageException

    from portage_ext.emerge import patching, session
    from portage_ext.emerge.lacking import waiting
    from portage_ext.emerge.patching import Patch
    from portage_ext.emerge.plan import ordering

    asked = understood(words)
    config = asked.config
    found: list[Resolution] = []
    run, hides_local = session.terms(config)
    told = config.opts.get("--getbinpkg")
    if without_index:
        config.opts["--getbinpkg"] = False

    def keep(emerge_config: Any, spinner: Any = None) -> int:
        opts = emerge_config.opts
        # What the plan check would refuse is told as a reason (explain/symbols.py); here a list is wanted.
        ordering.end()
        # What waits for a binary is listed as compiled: why no binary fits is what is asked.
        waits = waiting.release()
        parameters = create_depgraph_params(opts, emerge_config.action)
        settings = emerge_config.target_config.settings
        success, graph, _ = backtrack_depgraph(
            settings, emerge_config.trees, opts, parameters, None, emerge_config.args, spinner
        )
        if not success:
            graph.display_problems()
        tasks = [one for one in graph.altlist() if getattr(one, "operation", "") == "merge"] if success else []
        if without_index:
            opts = {**opts, "--getbinpkg": told}
        fresh = _asked(opts, settings)
        resolution = Resolution(graph, settings, opts, run, hides_local, tasks, asked.again, fresh, success)
        if waits is not None:
            resolution.waits = waits.waits
        found.append(resolution)
        return 0

    spoken: list[str] = []
    try:
        with patching.applied([Patch(actions, "action_build", lambda original: keep)]), overheard(spoken):
            actions.run_action(config)
    except PortageException as error:
        raise ResolutionError(str(error)) from error
    if not found:
        raise ResolutionError("\n".join(line for line in spoken[0].split("\n") if line.strip()) or "it does not say why")
    found[0].spoken = spoken[0]
    return found[0]


def _asked(options: dict[str, Any], settings: Any) -> Callable[[str], bool]:
    from portage_ext.emerge import session

    if options.get("--getbinpkg") is not True:
        return lambda _: False
    return session.current.whitelist(settings).wants if session.current is not None else lambda _: True

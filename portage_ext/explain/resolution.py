"""What emerge would take: its own ``run_action`` up to the list, in this process, with the whitelist that would hold for it.

Options, sets, index, settings: all of it is Portage's and the session's. Only the last step is ours: instead of showing and
merging the list, the finished graph is kept.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from portage_ext.errors import ResolutionError, UsageError
from portage_ext.explain.verdict import Reason
from portage_ext.host.probe import Expectation, Function, Names
from portage_ext.limits import SPOKEN_SIZE
from portage_ext.policy.getbinpkg import Run

EXPECTED: Final[tuple[Expectation, ...]] = (
    Function("_emerge.actions:load_emerge_config"),
    Function("_emerge.actions:run_action", ("emerge_config",)),
    Function("_emerge.actions:action_build", ("emerge_config",), ("spinner",), callers=("_emerge.actions:run_action",)),
    Function("_emerge.create_depgraph_params:create_depgraph_params", ("myopts", "myaction")),
    Function(
        "_emerge.depgraph:backtrack_depgraph",
        ("settings", "trees", "myopts", "myparams", "myaction", "myfiles", "spinner"),
    ),
    Function("_emerge.depgraph:depgraph.altlist", ("self",)),
    Function("_emerge.depgraph:depgraph.display_problems", ("self",)),
    Function("_emerge.main:parse_opts", ("tmpcmdline",), ("silent",)),
    Names("portage.package.ebuild.config:config.__init__", ("backupenv", "features")),
)


@dataclass(slots=True)
class Resolution:
    """A finished resolution: ``graph`` is Portage's depgraph, ``packages`` what it would merge, in order.

    ``hides_local``: local binaries of unlisted packages stay out of sight. ``troubles``: binrepos whose index could not be had
    or was refused. ``asked`` says of a binrepo whether emerge has just read its index. ``spoken``: what Portage said meanwhile.
    """

    graph: Any
    settings: Any
    options: dict[str, Any]
    run: Run
    hides_local: bool
    packages: list[Any]
    troubles: dict[str, Reason]
    asked: Callable[[str], bool]
    spoken: str


def resolve(words: Sequence[str], *, without_index: bool = False) -> Resolution:
    """Resolve ``words``, emerge's own arguments, as ``emerge --pretend`` would; ``without_index`` as if no binrepo were there.

    Raises UsageError for words that make no list, ResolutionError when Portage finds no solution or refuses to look for one.
    """
    # Portage decides on its own output while it is imported.
    from _emerge import actions
    from _emerge.create_depgraph_params import create_depgraph_params
    from _emerge.depgraph import backtrack_depgraph
    from _emerge.main import parse_opts
    from portage.exception import PortageException

    from portage_ext.emerge import ordering, patching, session
    from portage_ext.emerge.patching import Patch

    config = actions.load_emerge_config()
    default = shlex.split(config.target_config.settings.get("EMERGE_DEFAULT_OPTS", ""))
    arguments = [*default, *words, "--pretend", "--nospinner", "--color=n"]
    try:
        config.action, config.opts, config.args = parse_opts(arguments, silent=True)
    except SystemExit as error:
        raise UsageError(f"emerge does not take: {' '.join(words)}") from error
    if config.action is not None or "--resume" in config.opts:
        raise UsageError("only what makes a merge list can be asked about: atoms, sets, and options for them")
    found: list[Resolution] = []
    run, hides_local = session.terms(config)
    told = config.opts.get("--getbinpkg")
    if without_index:
        config.opts["--getbinpkg"] = False

    def keep(emerge_config: Any, spinner: Any = None) -> int:
        opts = emerge_config.opts
        # What the plan check would refuse is told as a reason (explain/symbols.py); here a list is wanted.
        ordering.end()
        parameters = create_depgraph_params(opts, emerge_config.action)
        success, graph, _ = backtrack_depgraph(
            emerge_config.target_config.settings, emerge_config.trees, opts, parameters, None, emerge_config.args, spinner
        )
        if not success:
            graph.display_problems()
            return 1
        tasks = [one for one in graph.altlist() if getattr(one, "operation", "") == "merge"]
        settings = emerge_config.target_config.settings
        if without_index:
            opts = {**opts, "--getbinpkg": told}
        found.append(Resolution(graph, settings, opts, run, hides_local, tasks, {}, _asked(opts, settings), ""))
        return 0

    spoken: list[str] = []
    try:
        with patching.applied([Patch(actions, "action_build", lambda original: keep)]), overheard(spoken):
            actions.run_action(config)
    except PortageException as error:
        raise ResolutionError(str(error)) from error
    if not found:
        raise ResolutionError("\n".join(line for line in spoken[0].split("\n") if line.strip()) or "no list was made")
    found[0].spoken = spoken[0]
    return found[0]


def _asked(options: dict[str, Any], settings: Any) -> Callable[[str], bool]:
    from portage_ext.emerge import session

    if options.get("--getbinpkg") is not True:
        return lambda _: False
    return session.current.whitelist(settings).wants if session.current is not None else lambda _: True


@contextlib.contextmanager
def overheard(spoken: list[str]) -> Iterator[None]:
    """Take what this process and its children print; ``spoken`` gets the text when the block ends."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as file:
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)
            file.seek(0)
            spoken.append(file.read(SPOKEN_SIZE).decode("utf-8", "replace"))

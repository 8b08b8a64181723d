"""Everything that portage-ext does inside Portage's programs is a part: one row in this list and one module.

The seam begins and ends the parts. `portage-ext check` and the installer use the same list to report what is off with this
Portage. Every Portage program loads this module, so the module of a part is imported only when a run needs it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from portage_ext.emerge import relevance

if TYPE_CHECKING:
    from typing import Protocol

    from portage_ext.host.probe import Expectation

    class Work(Protocol):
        """What the module of a part offers."""

        EXPECTED: tuple[Expectation, ...]
        """All of Portage that the part relies on."""

        def begin(self, emerge_config: Any) -> None:
            """Begin the part in a run of emerge that needs it."""

        def end(self) -> int | None:
            """End the part after the run, whatever its result. Returns the exit status for a successful run."""


class Before:
    """Methods of a Portage class before which a function of a part is called, with the same arguments.

    ``when`` is asked first: whether the part applies to an object with these ``settings``.
    """

    __slots__ = ("function", "methods", "module", "owner", "when")

    def __init__(
        self, module: str, owner: str, methods: tuple[str, ...], function: str, when: Callable[[Any], bool] = relevance.always
    ) -> None:
        self.module = module
        self.owner = owner
        self.methods = methods
        self.function = function
        self.when = when


class Part:
    """``name`` is its module in this room or a folder of it, ``loss`` what is off without it, ``needed`` tells whether a run
    needs it.

    ``loud``: emerge must not exit with 0 if the part is off. ``essential``: the installer refuses a Portage without it.
    """

    __slots__ = ("_fits", "before", "essential", "loss", "loud", "name", "needed")

    def __init__(
        self,
        name: str,
        loss: str,
        needed: Callable[[Any], bool],
        *,
        before: Before | None = None,
        loud: bool = False,
        essential: bool = True,
    ) -> None:
        self.name = name
        self.loss = loss
        self.needed = needed
        self.before = before
        self.loud = loud
        self.essential = essential
        self._fits = False

    @property
    def expected(self) -> tuple[Expectation, ...]:
        """All of Portage that the part relies on."""
        return self._work.EXPECTED

    def begin(self, emerge_config: Any) -> None:
        """Begin with a run. Raises UnknownPortageError, before anything is changed."""
        self._checked().begin(emerge_config)

    def end(self) -> int:
        """End with the run. Returns the exit status for a successful run."""
        return self._work.end() or 0

    def precede(self, *arguments: Any, **named: Any) -> None:
        """Call the part's function before a method. Raises UnknownPortageError."""
        if self.before is not None:
            getattr(self._checked(), self.before.function)(*arguments, **named)

    @property
    def _work(self) -> Work:
        return importlib.import_module(f"portage_ext.emerge.{self.name}")

    def _checked(self) -> Work:
        work = self._work
        if not self._fits:
            from portage_ext.host import probe

            probe.check(self.loss, work.EXPECTED)
            self._fits = True
        return work


PARTS: tuple[Part, ...] = (
    Part("seam", "emerge runs without portage-ext", relevance.never),
    Part("verification", "emerge does not warn about settings that defeat verification", relevance.keys_pinned),
    Part("refused_index", "a refused index ends emerge with a traceback", relevance.keys_pinned),
    Part("whitelist_patches", "the whitelist in package.env is off", relevance.session_needed),
    Part("lacking.waiting", 'packages with BINPKG_ONLY="wait" are compiled', relevance.waits_for_binaries),
    Part("lacking.asking", "no package is asked for from a build service (BUILD_ON_MISS)", relevance.asks_for_builds),
    # After the whitelist, which may have switched binaries on.
    Part(
        "index_key",
        "symbol contracts are missing in indexes until `portage-ext reindex`",
        relevance.index_possible,
        before=Before("portage.dbapi.bintree", "binarytree", ("_pkgindex_write",), "before_write"),
    ),
    Part("plan.ordering", "toolchain order is off", relevance.binaries_possible),
    Part("hint", "packages that are compiled against expectation are not named", relevance.binaries_possible),
    Part(
        "forked_fetch",
        "each package is fetched by a process that starts Python",
        relevance.fetches_verified,
        essential=False,  # only time is lost
    ),
    Part("graph", "the graph of the running emerge is off", relevance.merges_packages),
    Part("safety.snapshot", "no snapshot is made before emerge changes the system", relevance.makes_snapshots),
    Part("plan.removal", "the check of removals is off", relevance.removes_packages),
    Part(
        "marking",
        "nothing is published after emerge",
        relevance.works_afterwards,
        before=Before(
            "portage.dbapi.bintree", "binarytree", ("inject", "_pkgindex_write"), "before_change", relevance.is_configured
        ),
        loud=True,
    ),
    Part(
        "quick_gzip",
        "the index of PKGDIR is compressed twice",
        relevance.works_afterwards,
        essential=False,  # only time is lost
    ),
)
"""In the order in which they begin."""

"""What portage-ext does inside Portage's programs, part by part: one row here and one module each, and nothing beside them.

The seam begins and ends the parts of this list; `portage-ext check` and the installer ask the same list what is off with this
Portage. Every program of Portage loads this module, so the module of a part is imported when a run needs it and not before.
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
            """A run of emerge begins, and the part is needed in it."""

        def end(self) -> int | None:
            """It is over, however it ended. Returns the exit status that a successful run becomes."""


class Before:
    """Methods of a class of Portage's before which a function of a part is called, with the same arguments.

    ``when`` is asked first: whether the part is there for an object with these ``settings`` at all.
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
    """``name`` is that of its module in this room, ``loss`` what is off without it, ``needed`` whether a run needs it.

    ``loud``: emerge must not end as if all were well when the part is off.
    """

    __slots__ = ("_fits", "before", "loss", "loud", "name", "needed")

    def __init__(
        self, name: str, loss: str, needed: Callable[[Any], bool], *, before: Before | None = None, loud: bool = False
    ) -> None:
        self.name = name
        self.loss = loss
        self.needed = needed
        self.before = before
        self.loud = loud
        self._fits = False

    @property
    def expected(self) -> tuple[Expectation, ...]:
        """All of Portage that the part relies on."""
        return self._work.EXPECTED

    def begin(self, emerge_config: Any) -> None:
        """Begin with a run. Raises UnknownPortageError, and nothing has been touched then."""
        self._checked().begin(emerge_config)

    def end(self) -> int:
        """End with it. Returns the exit status that a successful run becomes."""
        return self._work.end() or 0

    def precede(self, *arguments: Any, **named: Any) -> None:
        """Do what comes before a method. Raises UnknownPortageError."""
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
    # After the whitelist, which may have switched binaries on.
    Part(
        "index_key",
        "symbol contracts are missing in indexes until `portage-ext reindex`",
        relevance.binaries_possible,
        before=Before("portage.dbapi.bintree", "binarytree", ("_pkgindex_write",), "before_write"),
    ),
    Part("ordering", "toolchain order is off", relevance.binaries_possible),
    Part("hint", "packages that are compiled against expectation are not named", relevance.binaries_possible),
    Part("graph", "the graph of the running emerge is off", relevance.merges_packages),
    Part("removal", "the check of removals is off", relevance.removes_packages),
    Part(
        "marking",
        "nothing is published after emerge",
        relevance.works_afterwards,
        before=Before(
            "portage.dbapi.bintree", "binarytree", ("inject", "_pkgindex_write"), "before_change", relevance.is_configured
        ),
        loud=True,
    ),
)
"""In the order in which they begin."""

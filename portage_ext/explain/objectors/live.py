"""Live packages are compiled where --usepkg-exclude-live is on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from portage_ext.explain.objectors import Question
from portage_ext.explain.verdict import HERE, Reason, Remedy
from portage_ext.host.probe import Attribute, Expectation, Names

_OPTION: Final = "--usepkg-exclude-live"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Attribute("_emerge.Package:Package._metadata"),
    Names("_emerge.depgraph:_frozen_depgraph_config.__init__", ("myopts",)),
)


def ask(question: Question) -> Iterator[Reason]:
    """emerge without the option takes it."""
    if _OPTION in question.graph._frozen_config.myopts and "live" in question.candidate._metadata.get("PROPERTIES", "").split():
        command = question.again.less([_OPTION]).emerge("--oneshot", f"={question.offer.cpv}")
        yield Reason("live", f"a live package, and {_OPTION} is on", (Remedy(HERE, command),))

"""User patches keep a binary away that was built without them (portage(5), /etc/portage/patches)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from portage_ext.explain.objectors import Question
from portage_ext.explain.verdict import HERE, Reason, Remedy
from portage_ext.host.probe import Expectation, Names

_OPTION: Final = "--binpkg-respect-user-patches"
EXPECTED: Final[tuple[Expectation, ...]] = (
    Names("_emerge.depgraph:_frozen_depgraph_config.__init__", ("myopts", "pkgsettings")),
)


def ask(question: Question) -> Iterator[Reason]:
    """emerge is told to take it without them."""
    frozen, candidate = question.graph._frozen_config, question.candidate
    # Portage before 3.0.83 does not look for user patches here.
    if question.order < 0 or question.ebuild is None or getattr(candidate, "user_patches", None) is None:
        return
    settings = frozen.pkgsettings[candidate.root]
    if frozen.myopts.get(_OPTION, "y") == "n" or candidate.user_patches == settings.userPatchDigest(candidate):
        return
    files = ", ".join(map(str, settings.userPatchFiles(candidate)))
    command = question.again.less([_OPTION]).emerge("--oneshot", f"{_OPTION}=n", f"={question.package.cpv}")
    yield Reason("patches", f"this host has user patches for it: {files}", (Remedy(HERE, command),))

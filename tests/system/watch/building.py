"""A diamond of packages that wait in src_compile until the test lets them go, so that each picture is of a known moment."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

from tests.testkit import environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root
from tests.testkit.terminal import Terminal

NEEDS = {
    "a": "", "b": "a", "c": "a b", "d": "a", "e": "b c", "f": "d",
    "g": "e f", "h": "g", "i": "g", "j": "h i", "k": "e", "l": "j k",
}  # fmt: skip
"""Twelve packages; c needs b, so its edge to a says nothing new, and neither does that of e to b."""
EDGES = {(name, below) for name, needs in NEEDS.items() for below in needs.split()}
ALL, TWO = "dev-libs/l", "dev-libs/b"
"""What merges all of them, and what merges a and b alone: each package costs a second of CPU time."""
_WAITS = """
src_compile() {
    local waited=0
    until [[ -e "${EROOT}/tmp/go-${PN}" || -e "${EROOT}/tmp/go" ]]; do
        sleep 0.05
        (( waited++ < 4000 )) || die "nobody let it go"
    done
    [[ ! -e "${EROOT}/tmp/fail-${PN}" ]] || die "as it should"
}
"""


def diamond(work: Path, version: str = environments.NEWEST, **settings: str) -> Root:
    """A system with the packages of NEEDS, none of which is merged."""
    repository = EbuildRepository.create(work / "repository")
    for name, needs in NEEDS.items():
        repository.ebuild(f"dev-libs/{name}-1.0", _WAITS, DEPEND=" ".join(f"dev-libs/{one}" for one in needs.split()))
    return Root.create(work / "root", environments.environment(version), [repository], **settings)


def go(root: Root, *names: str) -> None:
    """Let these packages go on; all of them, where none is named."""
    for name in names or ("",):
        (root.path / "tmp" / f"go-{name}".rstrip("-")).touch()


def variables() -> dict[str, str]:
    """Portage warns of a missing user in forked children, which has nothing to do with what is tested here."""
    user = pwd.getpwuid(os.getuid())
    return {"PORTAGE_USERNAME": user.pw_name, "PORTAGE_GRPNAME": grp.getgrgid(user.pw_gid).gr_name}


def emerge(
    root: Root, what: str, *arguments: str, graph: str = "1", columns: int = 80, lines: int = 24, **more: str
) -> Terminal:
    """emerge in a terminal."""
    # Where the scratch is small, Portage would build fewer packages at once than the test asks for.
    words = ("emerge", "--oneshot", "--jobs-tmpdir-require-free-gb=0", *arguments, what)
    return Terminal(root, *words, columns=columns, lines=lines, PORTAGE_EXT_GRAPH=graph, **variables(), **more)

"""One run of a publisher and of retention, for strace to kill: ``python -m tests.system.crash.driver WORK [rollback]``.

Portage and gpg are left out, because the calls of interest are the publisher's own, and because thousands of calls of an
import would bury them. The clock stands still, so that every run makes the same calls.
"""

from __future__ import annotations

import sys
from pathlib import Path

from portage_ext.errors import PortageExtError
from portage_ext.releases.gates.index import IndexGate
from portage_ext.releases.made import Source, Terms
from portage_ext.releases.publish import Publisher
from portage_ext.releases.retention import Keep, expendable
from portage_ext.releases.tree import Tree
from tests.unit.releases.published import SIGNATURE, Clock

NOW = 1_800_100_000


def run(work: Path, *, rollback: bool = False) -> int:
    """Publish WORK/binpkgs in the channel production of WORK/tree, and prune. Returns the release that is live then.

    With ``rollback`` go back instead.
    """
    tree, clock = Tree(work / "tree"), Clock(NOW)
    publisher = Publisher(tree, lambda data: SIGNATURE, Terms(86400 * 30, 3600), clock=clock)
    if rollback:
        return publisher.rollback("production", by="larry").number
    done = publisher.publish("production", Source(work / "binpkgs", "published"), (IndexGate(),))
    with tree.locked():
        for number in expendable(tree.known(), tree.channels(), lambda _: Keep(1, 0, 3600), NOW):
            tree.remove(number)
    return done.number


if __name__ == "__main__":
    try:
        print(run(Path(sys.argv[1]), rollback="rollback" in sys.argv[2:]))
    except PortageExtError as error:
        print(error, file=sys.stderr)
        sys.exit(1)

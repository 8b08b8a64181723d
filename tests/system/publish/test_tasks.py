"""What commands do, done by a program with plain calls: packages signed and indexed, releases made, held and looked at."""

from __future__ import annotations

import json

from tests.system.publish.site import Host

PROGRAM = """
import contextlib, io, json, sys
from pathlib import Path
from portage_ext.cli.main import main
from portage_ext.config import settings as configuration
from portage_ext.errors import UsageError
from portage_ext.tasks import indexing, signing, status, upkeep
from portage_ext.tasks.releasing import publishing, releases
from portage_ext.tasks.releasing.publishing import Overrides
from portage_ext.tasks.site import Site

root = Path(sys.argv[1])
site = Site.read(root)
found = {}
try:
    publishing.publish(site, overrides=Overrides(gates=("nothing",)))
except UsageError as error:
    found["refused"] = str(error)
found["signed"] = len(signing.sign(site, everything=True).report.signed)
found["lacking"] = sum(error is not None for error in signing.check(site).verdicts.values())
found["stale"] = indexing.check().stale
found["packages"] = indexing.reindex().report.packages
done = publishing.publish(site)
found["published"] = [done.channel, done.published.number, done.published.packages]
gates = Overrides(gates=("index", "signatures"))
found["promoted"] = publishing.promote(site, "staging", "production", overrides=gates).published.number
min(Path(sys.argv[2]).rglob("*.gpkg.tar")).unlink()
found["less"] = publishing.publish(site).published.packages
publishing.promote(site, "staging", "production", overrides=gates)
found["held"] = publishing.rollback(site, "production", by="a program").published.number
found["again"] = publishing.publish(site).published.release
found["listed"] = [[one.number, one.release.channel, one.live] for one in releases.listed(site.tree())]
found["status"] = [[one.name, one.number, str(one.note.hold)[:17]] for one in status.status().channels]
found["upkeep"] = [[one.ok, one.line] for one in upkeep.upkeep(root)]

times, whole = [], configuration.whole
configuration.whole = lambda config_root: times.append(1) or whole(config_root)
with contextlib.redirect_stdout(io.StringIO()):
    found["status of publish --renew"] = main(["publish", "--renew"])
found["times read"] = len(times)
print(json.dumps(found))
"""


def test_a_program_signs_indexes_and_publishes(host: Host) -> None:
    program = (str(host.root.environment.python), "-c", PROGRAM)
    run = host.root.run(*program, str(host.root.path), str(host.root.pkgdir)).ok()
    # All that is on stdout is what the program itself prints.
    found = json.loads(run.stdout)
    count = found.pop("packages")
    assert count == found.pop("signed") > 1, run
    assert found.pop("upkeep") == [
        [True, f'{host.root.path}/etc/portage/portage-ext.toml: after-emerge in [binhost] is "off"; nothing was done']
    ]
    assert found == {
        "refused": "there is no gate nothing; there are index, signatures, closure, contracts, licences, glsa, install",
        "status of publish --renew": 0,
        "times read": 1,
        "lacking": 0,
        "stale": False,
        "published": ["staging", 1, count],
        "promoted": 2,
        "less": count - 1,
        "held": 5,
        "again": None,
        "listed": [
            [1, "staging", False],
            [2, "production", False],
            [3, "staging", True],
            [4, "production", False],
            [5, "production", True],
        ],
        "status": [["production", 5, "held at release 2"], ["staging", 3, "None"]],
    }, run
    assert run.stderr == "", run

"""What commands do, done by a program with plain calls: packages signed and indexed, releases made, held and looked at."""

from __future__ import annotations

import json

from tests.system.publish.site import Host
from tests.testkit.binhost import Binhost

PROGRAM = """
import contextlib, io, json, sys
from pathlib import Path
from portage_ext.cli.main import main
from portage_ext.config import settings as configuration
from portage_ext.errors.releases import GateError
from portage_ext.tasks import indexing, publishing, releases, signing, status, upkeep
from portage_ext.tasks.publishing import Overrides
from portage_ext.tasks.site import Site

root = Path(sys.argv[1])
site = Site.read(root)
found = {}
try:
    publishing.publish(site)
except GateError as error:
    found["refused"] = sorted({one.gate for one in error.findings})
signed = signing.sign(site)
found["signed"] = len(signed.report.signed)
found["lacking"] = sum(error is not None for error in signing.check(site).verdicts.values())
found["stale"] = indexing.check().stale
found["packages"] = indexing.reindex().report.packages
done = publishing.publish(site)
found["published"] = [done.channel, done.published.number, done.published.packages]
gates = Overrides(gates=("index", "signatures"))
found["promoted"] = publishing.promote(site, "staging", "production", overrides=gates).published.number
found["held"] = publishing.rollback(site, "production", 2, overrides=gates, by="a program").published.number
found["again"] = publishing.publish(site).published.release
found["listed"] = [[one.number, one.release.channel, one.live] for one in releases.listed(site.tree())]
found["status"] = [[one.name, one.number, str(one.note.hold)[:17]] for one in status.status().channels]
found["upkeep"] = [[one.ok, one.line] for one in upkeep.upkeep(root)]

times, parse = [], configuration.parse
configuration.parse = lambda *words, **named: times.append(1) or parse(*words, **named)
with contextlib.redirect_stdout(io.StringIO()):
    found["status of publish --renew"] = main(["publish", "--renew"])
found["times read"] = len(times)
print(json.dumps(found))
"""


def test_a_program_signs_indexes_and_publishes(host: Host, binhost: Binhost) -> None:
    for path in binhost.pkgdir.rglob("*.gpkg.tar"):
        (host.root.pkgdir / path.relative_to(binhost.pkgdir)).write_bytes(path.read_bytes())
    run = host.root.run(str(host.root.environment.python), "-c", PROGRAM, str(host.root.path)).ok()
    # All that is on stdout is what the program itself prints.
    found = json.loads(run.stdout)
    count = found.pop("packages")
    assert count == found.pop("signed") > 1, run
    assert found.pop("upkeep") == [
        [True, f'{host.root.path}/etc/portage/portage-ext.toml: after-emerge in [binhost] is "off"; nothing was done']
    ]
    assert found == {
        "refused": ["signatures"],
        "status of publish --renew": 0,
        "times read": 1,
        "lacking": 0,
        "stale": False,
        "published": ["staging", 1, count],
        "promoted": 2,
        "held": 3,
        "again": None,
        "listed": [[1, "staging", True], [2, "production", False], [3, "production", True]],
        "status": [["production", 3, "held at release 2"], ["staging", 1, "None"]],
    }, run
    assert run.stderr == "", run

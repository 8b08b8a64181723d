"""after-emerge compares new packages with their Manifests once, and its gate finds every package that changed since then."""

from __future__ import annotations

import json

import pytest

from tests.system.publish.site import Host

PROGRAM = """
import json, os, sys
from pathlib import Path
from portage_ext.gpkg import verify
from portage_ext.pkgdir import upkeep as signing
from portage_ext.releases.gates.index import IndexGate
from portage_ext.tasks import upkeep

root, pkgdir, when = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
victim = min(pkgdir.rglob("*.gpkg.tar"))
compared = []
compare, sign, check = verify._compared, signing.sign_pkgdir, IndexGate.check

def counting(paths, memory):
    compared.append(len(paths))
    return compare(paths, memory)

def change(shown=False):
    status, data = victim.stat(), bytearray(victim.read_bytes())
    at = data.index(b"/image.tar") + 700
    data[at] ^= 1
    with victim.open("r+b") as file:  # in place: the pool has the same file
        file.write(data)
    if not shown:
        os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))

def signed(*arguments, **options):
    done = sign(*arguments, **options)
    if when == "signed":
        change()
    return done

def checked(gate, candidate):
    found = list(check(gate, candidate))
    if when == "indexed":
        change()
    return found

verify._compared, signing.sign_pkgdir, IndexGate.check = counting, signed, checked
found = [[one.ok, one.line] for one in upkeep.upkeep(root)]
if when != "never":
    change(shown=when == "signed")  # as it was; the index may have the changed file
    when = "never"
    found += [[one.ok, one.line] for one in upkeep.upkeep(root)]
print(json.dumps([found, compared, len(list(pkgdir.rglob("*.gpkg.tar")))]))
"""


@pytest.mark.parametrize("when", ["never", "signed", "indexed"])
def test_a_package_that_changes_in_between_is_refused(host: Host, when: str) -> None:
    host.configure(more='[binhost]\nafter-emerge = "publish"\n')
    program = (str(host.root.environment.python), "-c", PROGRAM, str(host.root.path), str(host.root.pkgdir), when)
    run = host.root.run(*program).ok()
    found, compared, count = json.loads(run.stdout)
    assert count > 1
    if when == "never":
        assert [ok for ok, _ in found] == [True], run
        assert "published as release 1" in found[0][1]
        assert compared == []
    else:
        assert [ok for ok, _ in found] == [False, True], run
        assert "[signatures]" in found[0][1]
        assert "does not match the Manifest" in found[0][1]
        # Only this one. The next run compares what it has not compared itself.
        assert compared == [1, count - 1 if when == "signed" else count]
        assert "published as release" in found[1][1]

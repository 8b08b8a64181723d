"""The packages of the machine that the tests run on work, so nothing that they need may be told as missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portage_ext.elf.system import System
from portage_ext.elf.tree import read_files


@pytest.mark.slow
@pytest.mark.skipif(not Path("/var/lib/dpkg/info").is_dir(), reason="groups files by Debian's packages")
def test_no_false_alarm_over_every_package_of_this_machine() -> None:
    system = System(Path("/"))
    packages = checked = 0
    alarms = []
    for listing in sorted(Path("/var/lib/dpkg/info").glob("*.list")):
        lines = listing.read_text(errors="surrogateescape").split("\n")
        # What is the same for every machine (FHS) is most of the files, and no object.
        lines = [line for line in lines if line.startswith("/") and not line.startswith(("/usr/share/", "/usr/include/"))]
        files = sorted({os.path.realpath(line) for line in lines if os.path.isfile(line)})
        objects = read_files(Path("/"), files)
        if not objects.found:
            continue
        packages += 1
        contract = objects.contract(public=system.directories)
        for need in contract.needs:
            checked += 1
            if not system.holds(need, contract.search.get(need.category, ())):
                alarms.append((listing.stem, need, system.missing(need)))
    assert alarms == []
    assert packages > 20
    assert checked > 100

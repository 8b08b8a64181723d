"""What builds keep goes when it is old or nobody needs it; what is being built or published stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

from portage_ext.builds.means import means
from portage_ext.builds.sweeping import Swept, sweep
from portage_ext.tasks.site import Site
from tests.unit.builds.examples import job

OLD = 1_000_000.0


def old(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, (OLD, OLD))
    return path


def test_old_things_go_and_what_is_needed_stays(tmp_path: Path) -> None:
    with means(Site.read(tmp_path)) as its:
        for number in range(2):
            its.ledger.request(f"{number:02x}" * 32, "laptop", job())
        checked, running = (its.ledger.take("r", its.places.log) for _ in range(2))
        assert checked is not None
        assert running is not None
        kept = old(its.places.incoming / f"{checked.key[:16]}.1" / "thing-1.gpkg.tar")
        its.ledger.end(checked, "checked", result=str(kept))
        logs = [old(Path(checked.log)), old(Path(running.log))]
        lost = old(its.places.incoming / "ffff.1" / "thing-1.gpkg.tar")
        arriving = old(its.places.incoming / f"{running.key[:16]}.1" / "thing-1.gpkg.tar")
        distfiles = [old(its.places.distfiles / name / "a.tar") for name in ("aa", "bb")]
        os.utime(distfiles[1], (time.time(), time.time()))
        assert sweep(its) == Swept(layers=0, logs=1, results=1, distfiles=1)
        assert [path.exists() for path in (kept, *logs, lost, arriving, *distfiles)] == [
            True, False, True, False, True, False, True,
        ]  # fmt: skip
        assert sweep(its) == Swept(0, 0, 0, 0)

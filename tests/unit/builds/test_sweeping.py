"""What builds keep goes when it is old or nobody needs it; what is being built or published stays."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from portage_ext.builds.cages.environment import environment
from portage_ext.builds.layers.store import Layers
from portage_ext.builds.means import means
from portage_ext.builds.sweeping import Swept, sweep
from portage_ext.config.building import Building
from portage_ext.tasks.site import Site
from tests.unit.builds.examples import job
from tests.unit.targets.examples import target

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


def test_layers_of_a_pinned_target_stay(tmp_path: Path) -> None:
    with means(Site.read(tmp_path)) as its:
        layers = Layers(its.places.layers)
        for name in ("laptop", "desktop"):
            its.targets.save(name, target(source="chroot:/srv/" + name, make_conf={"USE": name}))
            digest = environment(name, its.targets.load(name)).digest()
            with layers.layer({"environment": digest}, lambda tree: (tree / "file").write_bytes(b"x" * 9000) and None):
                pass
        its.targets.pin("laptop")
        its.targets.save("far", target(source="builder:lab"))
        its.targets.pin("far")  # it has no environment here, and so no layer
        none = replace(its, site=replace(its.site, settings=replace(its.site.settings, building=Building(layers=0))))
        assert sweep(none) == Swept(1, 0, 0, 0, ("far", "laptop"))
        its.targets.pin("laptop", pinned=False)
        assert sweep(none) == Swept(1, 0, 0, 0, ("far",))

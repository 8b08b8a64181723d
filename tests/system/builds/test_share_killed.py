"""kill -9 at each step of copying a package for a further target: the target gets it once, and nothing is lost."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest

from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.builds.places import LEDGER
from portage_ext.files import TEMPORARY_PREFIX
from tests.system.builds.lab import Lab, left_behind

NAME = "app-misc/victim"
DYING = Path(__file__).with_name("dying.py")
PKGDIR = "binpkgs-twin"


def forget(lab: Lab) -> None:
    """The target twin has never asked."""
    with contextlib.closing(sqlite3.connect(lab.state / LEDGER)) as database, database:
        database.execute("DELETE FROM share")
    shutil.rmtree(lab.work / PKGDIR, ignore_errors=True)


@pytest.mark.slow
def test_a_copy_for_a_further_target_may_be_killed_at_every_step(small: Lab) -> None:
    lab, pkgdir = small, small.work / PKGDIR
    with (lab.builder.path / "etc/portage/portage-ext.toml").open("a") as configuration:
        configuration.write(f'\n[repository.twin]\ntree = "{lab.work}/tree-twin"\npkgdir = "{pkgdir}"\n')
    lab.run("target", "capture", "twin", "--prefix", str(lab.targets["v2"].path)).ok()
    lab.repository.data(f"{NAME}-1")
    lab.run("build", "v2", NAME).ok()
    (job,) = lab.jobs()

    def ask(last: int) -> str:
        python = str(lab.builder.environment.python)
        done = lab.builder.run(python, str(DYING), str(last), str(pkgdir), "build", "twin", NAME)
        assert done.status == (0 if last == 0 else -signal.SIGKILL), done
        return done.stderr

    def there(why: object) -> None:
        """One package, in one entry of the index and in the ledger; nothing else is left."""
        place = pkgdir / f"{NAME}/victim-1-1.gpkg.tar"
        assert list(pkgdir.rglob("*.gpkg.tar*")) == [place], why
        assert not list(pkgdir.rglob(f"{TEMPORARY_PREFIX}*.gpkg.tar.*")), why
        assert (pkgdir / "Packages").read_text().count("CPV: ") == 1, why
        (whole,) = lab.packages("v2")
        assert place.read_bytes() == whole.read_bytes(), why
        with contextlib.closing(Ledger(lab.state / LEDGER)) as ledger:
            assert ledger.shares() == [], why
            assert ledger.place(job["key"], "twin") == str(place), why
            assert [one.state for one in ledger.entries()] == ["published"], why

    found = re.search(r"^steps (\d+)$", ask(0), re.M)
    assert found is not None
    there("a run that nobody killed")
    steps = int(found[1])
    # Among them the two records in the ledger, the temporary file and its name, the middle of the file, and the index.
    assert steps > 8
    for last in range(1, steps + 1):
        forget(lab)
        ask(last)
        lab.run("builds", "run").ok()
        there(f"killed at step {last} of {steps}")
        assert left_behind(lab) == []
    # The same package for two targets was built once.
    assert len(list(lab.state.glob("log/*.log"))) == 1
    print(f"\nkilled at {steps} steps")

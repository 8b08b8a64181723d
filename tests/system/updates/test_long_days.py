"""The days that `make test-days` adds: a kill in each step, USE, a library, a full disk, a rollback, a dead sync.

Each begins with a binhost that has published, and ends with clients, with portage-ext and without it, that merge binaries alone
and whose program runs.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.system.updates.fleet import Fleet, killed
from tests.testkit import httpd
from tests.testkit.roots import Root

pytestmark = pytest.mark.skipif(not os.environ.get("UPDATE_DAYS"), reason="make test-days plays it")
# Without preserved-rebuild, which is over at once where no library is kept.
STEPS = ("sync", "plan", "emerge", "clean", "publish", "trial", "promote", "mirrors")
USES = "int tiny(void);\nint main(void) { return tiny() == 42 ? 0 : 1; }\n"
LIBRARY = "int tiny(void) { return 42; }\n"


@pytest.fixture
def day(fleet: Fleet) -> Fleet:
    """The second day of a binhost whose program uses a library."""
    fleet.configure(f'\n[mirror.near]\nto = "{fleet.work}/mirror"\n')
    library(fleet, "1.0", 1)
    both = {"DEPEND": "dev-libs/libtiny:=", "RDEPEND": "dev-libs/libtiny:="}
    fleet.repository.c_program("app-misc/usestiny-1.0", USES, libraries="-ltiny", **both)
    fleet.repository.data("app-misc/flags-1.0", IUSE="bar")
    fleet.world(fleet.binhost, "app-misc/usestiny", "app-misc/flags")
    fleet.update().ok()
    return fleet


@pytest.fixture
def clients(day: Fleet) -> Iterator[Callable[[], tuple[Root, Root]]]:
    """Has a client with portage-ext and one with Portage alone update themselves; each merges binaries alone."""
    with httpd.serve(day.tree) as server:
        url = f"{server.url}/production"
        with_us, alone = (day.client(url, name, plugin=name == "with") for name in ("with", "alone"))

        def update() -> tuple[Root, Root]:
            for client in (with_us, alone):
                day.world(client, "app-misc/usestiny", "app-misc/flags")
            day.update(root=with_us).ok()
            alone.emerge("--update", "--deep", "--newuse", "--binpkg-respect-use=y", "@world").ok()
            for client in (with_us, alone):
                assert set(client.merged().values()) == {"binary"}
                libraries = {"LD_LIBRARY_PATH": str(client.path / "usr/lib64")}
                subprocess.run([client.path / "usr/bin/usestiny"], env=libraries, check=True)
            assert with_us.installed() == alone.installed()
            return with_us, alone

        update()
        yield update


def library(fleet: Fleet, version: str, generation: int) -> None:
    fleet.repository.c_library(f"dev-libs/libtiny-{version}", LIBRARY, f"libtiny.so.{generation}", SLOT=f"0/{generation}")


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_in_a_step(day: Fleet, step: str) -> None:
    day.repository.data("app-misc/flags-2.0", IUSE="bar")
    journal = day.binhost.path / "var/lib/portage-ext/update/journal.json"

    def reached() -> bool:
        return journal.exists() and json.loads(journal.read_text())["running"] == step

    killed(day.binhost, reached, "portage-ext", "update")
    found = day.update().ok()
    assert found.values["interrupted"] == step
    assert "app-misc/flags-2.0" in day.published()


def test_another_use_flag(day: Fleet, clients: Callable[[], tuple[Root, Root]]) -> None:
    day.binhost.etc("package.use", "app-misc/flags bar\n")
    assert day.update().ok().values["came"] == ["app-misc/flags-1.0-2"]
    for client in clients():
        # A client with other flags keeps what it has, and compiles nothing.
        assert "app-misc/flags-1.0" in client.installed()


def test_a_library_moves_and_its_users_with_it(day: Fleet, clients: Callable[[], tuple[Root, Root]]) -> None:
    library(day, "2.0", 2)
    came = day.update().ok().values["came"]
    assert came == ["app-misc/usestiny-1.0-2", "dev-libs/libtiny-2.0-1"]
    for client in clients():
        assert "dev-libs/libtiny-2.0" in client.installed()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_full_disk(day: Fleet, clients: Callable[[], tuple[Root, Root]]) -> None:
    """PKGDIR is full: nothing new is published, what is published stays whole, and the next run goes on."""
    day.repository.data("app-misc/flags-2.0", IUSE="bar")
    before = day.release("production")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=64", "none", str(day.binhost.pkgdir)], check=True)
    try:
        failed = day.update().failed()
        assert failed.values["failed"], failed.outcome
        assert day.release("production") == before
        clients()
    finally:
        subprocess.run(["umount", str(day.binhost.pkgdir)], check=True)
    # The run that goes on still reports what it could not build; the one after it builds that again.
    assert day.update().failed().values["interrupted"]
    day.update().ok()
    assert "app-misc/flags-2.0" in day.published()
    clients()


def test_a_rollback_at_night(day: Fleet, clients: Callable[[], tuple[Root, Root]]) -> None:
    day.repository.data("app-misc/flags-2.0", IUSE="bar")
    day.update().ok()
    day.binhost.run("portage-ext", "rollback", "production").ok()
    day.repository.data("app-misc/flags-3.0", IUSE="bar")
    found = day.update().ok()
    assert "production is held" in found.held["production"]
    assert not {"app-misc/flags-2.0", "app-misc/flags-3.0"} & day.published()
    clients()
    day.binhost.run("portage-ext", "promote", "staging", "production").ok()
    assert "app-misc/flags-3.0" in day.published()
    assert day.update().ok().held == {}
    clients()


def test_by_hand(day: Fleet) -> None:
    day.configure('\n[update]\npromote = "by-hand"\nreport = "problems"\n')
    day.repository.data("app-misc/flags-2.0", IUSE="bar")
    found = day.update().ok()
    assert "portage-ext promote staging production" in found.held["production"]
    assert "app-misc/flags-2.0" in day.published("staging") - day.published()


def test_a_sync_that_fails_keeps_nothing_from_clients(day: Fleet) -> None:
    more = f"[gone]\nlocation = {day.work}/gone\nsync-type = git\nsync-uri = file://{day.work}/nowhere\nauto-sync = yes\n"
    path = day.binhost.path / "etc/portage/repos.conf"
    path.write_text(path.read_text() + "\n" + more)
    day.repository.data("app-misc/flags-2.0", IUSE="bar")
    found = day.update().failed()
    assert {name for name, outcome in found.steps.items() if outcome == "partly"} == {"sync"}
    assert "app-misc/flags-2.0" in day.published()


def test_what_is_broken_does_not_reach_clients(day: Fleet) -> None:
    """Neither a package without what it needs, nor one that cannot be installed."""
    day.repository.data("app-misc/flags-2.0", IUSE="bar")
    day.repository.ebuild("app-misc/bad-1.0", 'pkg_preinst() { [[ ${MERGE_TYPE} == source ]] || die "as asked"; }\n')
    day.world(day.binhost, "app-misc/usestiny", "app-misc/flags", "app-misc/bad")
    found = day.update().failed()
    assert found.steps["trial"] == "partly"
    assert "app-misc/bad-1.0" in found.held
    assert "app-misc/flags-2.0" not in day.published()

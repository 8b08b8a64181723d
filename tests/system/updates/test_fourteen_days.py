"""Fourteen days of a binhost and two clients, one of them with Portage alone. `make test-days` plays them.

On every day each client updates without compiling anything, and every program runs. On eight days the binhost's update is
killed, each time in another step, and goes on. The last lines say how many bytes deltas have saved.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.updates import days as kit
from tests.system.updates.days import DATA, GLIBC, MOVING, Days
from tests.testkit import keys

pytestmark = [
    pytest.mark.skipif(not os.environ.get("UPDATE_DAYS"), reason="make test-days plays it"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system, for the full disk"),
]


@pytest.fixture
def days(work: Path) -> Iterator[Days]:
    key = keys.new_key(work / "key")
    try:
        with kit.begun(work, key) as made:
            yield made
    finally:
        keys.kill_agents(key.home)


def configure(days: Days, more: str = "") -> None:
    days.fleet.configure(f'\n[mirror.near]\nto = "{days.fleet.work}/mirror"\nchannels = ["production"]\n{more}')
    path = days.fleet.binhost.path / "etc/portage/portage-ext.toml"
    path.write_text(path.read_text().replace("[publish]\n", "[publish]\ndeltas = true\n", 1))


def test_fourteen_days(days: Days) -> None:
    fleet, binhost = days.fleet, days.fleet.binhost

    def resumed(step: str) -> None:
        assert report.values["interrupted"] == step, report.outcome

    configure(days)
    days.library(1)
    days.big("1.0")
    days.tool("1.0")
    report = fleet.update().ok()
    assert {"app-misc/big-1.0-1", "app-misc/tool-1.0-1"} <= set(report.values["came"])
    days.clients_update("everything is new", report)

    days.tool("2.0")
    days.kill("sync")
    report = fleet.update().ok()
    resumed("sync")
    days.clients_update("a new version", report)

    days.big("1.0-r1")
    days.tool("3.0", 'src_compile() { echo "the last words"; die "it breaks"; }\n')
    days.kill("plan")
    report = fleet.update().failed()
    resumed("plan")
    assert [one["what"] for one in report.values["failed"]] == ["app-misc/tool-3.0"]
    assert report.values["came"] == ["app-misc/big-1.0-r1-1"]
    days.clients_update("a revision, and a build that fails", report)
    (fleet.repository.location / "app-misc/tool/tool-3.0.ebuild").unlink()

    days.moves(*MOVING.keys() - set(GLIBC))
    days.kill("emerge")
    report = fleet.update().ok()
    resumed("emerge")
    assert {"sys-libs/glibc-2.39", "sys-apps/coreutils-9.3"} <= fleet.published()
    assert "sys-apps/coreutils-9.4" not in fleet.published(), "clients with Portage alone get glibc first"
    days.clients_update("glibc moves", report)

    days.a_day_later()
    days.kill("promote")
    report = fleet.update().ok()
    resumed("promote")
    assert "sys-apps/coreutils-9.4" in fleet.published()
    days.clients_update("what was built with the new glibc", report)

    days.moves()
    days.kill("publish")
    report = fleet.update().ok()
    resumed("publish")
    assert {"sys-devel/gcc-13.2", "dev-libs/icu-73"} <= fleet.published()
    assert "dev-libs/icu-74" not in fleet.published(), "clients with Portage alone get gcc first"
    days.clients_update("gcc moves", report)

    days.a_day_later()
    days.kill("mirrors")
    report = fleet.update().ok()
    resumed("mirrors")
    assert {f"{name}-{new}" for name, (_, new) in MOVING.items()} <= fleet.published()
    days.clients_update("what was built with the new gcc", report)

    for root in (binhost, *days.clients):
        root.etc("package.use", "app-misc/big extra\n")
    days.kill("trial")
    report = fleet.update().ok()
    resumed("trial")
    days.clients_update("another USE flag", report)

    days.library(2)
    days.kill("clean")
    report = fleet.update().ok()
    resumed("clean")
    assert report.values["came"] == ["app-misc/big-1.0-r1-3", "dev-libs/libtiny-2.0-1"]
    days.clients_update("another sub-slot of a library", report)

    days.tool("4.0")
    before = fleet.release("production")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=64", "none", str(binhost.pkgdir)], check=True)
    try:
        report = fleet.update().failed()
        assert report.values["failed"], report.outcome
        assert fleet.release("production") == before
        days.clients_update("the disk of the binhost is full", report)
    finally:
        subprocess.run(["umount", str(binhost.pkgdir)], check=True)
    # The run that goes on still reports what it could not build; the next one builds it.
    assert fleet.update().failed().values["interrupted"]

    configure(days, '\n[mirror.far]\nto = "rsync://127.0.0.1:1/none"\n')
    report = fleet.update().failed()
    assert [one["what"] for one in report.values["failed"]] == ["far"]
    assert "app-misc/tool-4.0" in fleet.published()
    days.clients_update("a mirror cannot be reached", report)

    configure(days)
    binhost.run("portage-ext", "rollback", "production").ok()
    days.tool("5.0")
    report = fleet.update().ok()
    assert "production is held" in report.held["production"]
    assert not {"app-misc/tool-4.0", "app-misc/tool-5.0"} & fleet.published()
    days.clients_update("rolled back in the night", report)

    binhost.run("portage-ext", "promote", "staging", "production").ok()
    days.big("1.0-r2")
    report = fleet.update().ok()
    assert {"app-misc/tool-5.0", "app-misc/big-1.0-r2"} <= fleet.published()
    days.clients_update("promoted by hand, and a revision", report)

    repos = binhost.path / "etc/portage/repos.conf"
    gone = f"[gone]\nlocation = {fleet.work}/gone\nsync-type = git\nsync-uri = file://{fleet.work}/nowhere\nauto-sync = yes\n"
    repos.write_text(f"{repos.read_text()}\n{gone}")
    days.big("2.0")
    report = fleet.update().failed()
    assert {name for name, outcome in report.steps.items() if outcome == "partly"} == {"sync"}
    days.clients_update("a sync that fails, and a new version", report)

    print(days.table())
    assert len(days.rows) == 14
    wanted = {f"{name}-{new}" for name, (_, new) in MOVING.items()} | {"app-misc/tool-5.0", "app-misc/big-2.0"}
    for client in days.clients:
        assert wanted <= client.installed(), client.installed()
    # Two revisions, another USE flag and another sub-slot: each is fetched as a delta, and nothing else is.
    assert sum(row.deltas for row in days.rows) == 4
    assert sum(row.alone - row.ours for row in days.rows) > 3.9 * DATA

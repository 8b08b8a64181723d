"""Builders of two trust groups, on real Buildbot: what they agree on is published once, and what differs is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system.swarm.kit import Swarm

UNLIKE = """
src_install() {
    insinto /usr/share/unlike
    cat /proc/sys/kernel/random/uuid > unlike || die
    doins unlike
}
"""


@pytest.mark.slow
def test_a_package_is_published_when_two_groups_agree(swarm: Swarm) -> None:
    lab = swarm.lab
    lab.repository.data("app-misc/note-1")
    lab.repository.ebuild("app-misc/unlike-1", UNLIKE)
    path = lab.builder.path / "etc/portage/portage-ext.toml"
    path.write_text(path.read_text().replace("[build]\n", '[build]\nconfirm = 2\nconfirm-for = ["app-misc/*"]\n'))
    swarm.coordinator.kill(15)
    swarm.start()

    # One group is short: it is built once, and waits. A second builder of the same group changes nothing.
    swarm.join("b1", "v2", group="lab")
    swarm.join("b2", "v2", group="lab")
    with swarm.build("app-misc/note-1") as asking:
        swarm.until(lambda: any("another group must confirm it" in one.reason for one in swarm.entries()))
        asking.terminate()
    key = swarm.entries()[0].key
    shown = lab.run("builds", "show", key).ok().stdout
    assert "queued, b" in shown
    assert "its group lab has built it already" in " ".join(shown.split())
    assert "(group lab)  attempt 1" in shown
    assert len(swarm.lab_attempts()) == 1
    assert lab.packages("v2") == []

    swarm.join("b3", "v2", group="office")
    swarm.until(lambda: swarm.states()["app-misc/note-1"] == "published")
    groups = json.loads(lab.run("builds", "show", key, "--json").ok().stdout)["groups"]
    assert [(one["group"], one["fence"]) for one in groups] == [("lab", 1), ("office", 2)]
    assert [one.name for one in lab.packages("v2")] == ["note-1-1.gpkg.tar"]

    # Nobody can publish what the groups do not agree on.
    failed = lab.run("build", "v2", "=app-misc/unlike-1").failed()
    assert "made different packages: file" in " ".join(failed.text.split())
    told = json.loads(lab.run("builds", "show", swarm.entries()[1].key, "--json").ok().stdout)
    assert (told["state"], told["failure"]) == ("failed", "differs")
    assert "/usr/share/unlike/unlike" in Path(told["reports"][0]).read_text()
    assert [one.name for one in lab.packages("v2")] == ["note-1-1.gpkg.tar"]
    # A difference is no fault of a builder.
    assert {one["name"]: one["closed"] for one in swarm.status()["builders"]} == dict.fromkeys(("b1", "b2", "b3"), "")

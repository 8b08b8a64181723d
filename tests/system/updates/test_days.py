"""Days of a binhost and its clients by `portage-ext update`: a new version, a failing build, a kill, a dead mirror."""

from __future__ import annotations

import pytest

from tests.system.updates.fleet import Fleet, killed
from tests.testkit import glsas, httpd


def test_a_day_after_a_killed_run(fleet: Fleet) -> None:
    """The binhost has a package; the run that builds its new version is killed, another package does not build, and of two
    mirrors one is out of reach: all else is done, and a client gets what is new."""
    repository, binhost = fleet.repository, fleet.binhost
    mirror = fleet.work / "mirror"
    settings = binhost.path / "etc/portage/portage-ext.toml"
    near = f'\n[mirror.near]\nto = "{mirror}"\nchannels = ["production"]\n'
    fleet.configure(f'{near}[mirror.far]\nto = "rsync://127.0.0.1:1/none"\n')
    settings.write_text(settings.read_text().replace("[publish]\n", "[publish]\nsite = true\n", 1))
    repository.data("app-misc/one-1.0")
    binhost.emerge("app-misc/one", FEATURES="-buildpkg").ok()
    waits = fleet.work / "reached"
    repository.ebuild("app-misc/one-2.0", f"src_compile() {{ if [[ ! -e {waits} ]]; then touch {waits}; sleep 600; fi; }}\n")
    killed(binhost, waits.exists, "portage-ext", "update")
    repository.ebuild("app-misc/two-2.0", 'src_compile() { echo "the last words"; die "it breaks"; }\n')
    fleet.world(binhost, "app-misc/one", "app-misc/two")
    second = fleet.update().failed()
    assert second.values["interrupted"] == "emerge"
    assert {name for name, outcome in second.steps.items() if outcome == "partly"} == {"emerge", "mirrors"}
    broken, far = second.values["failed"]
    assert (broken["what"], far["what"]) == ("app-misc/two-2.0", "far")
    assert any("the last words" in line for line in broken["lines"]), broken
    assert second.values["came"] == ["app-misc/one-2.0-1"]
    assert (fleet.release("staging"), fleet.release("production")) == (1, 2)
    told = (binhost.path / "var/log/portage/elog/summary.log").read_text()
    assert "failed: app-misc/two-2.0" in told, told
    assert (mirror / "production").readlink().name == "2"
    assert (mirror / "production/Packages").is_file()
    page = (mirror / "production/pages/update.html").read_text()
    assert "1 package built, 1 failed" in page
    assert "app-misc/two-2.0: it could not be built or merged" in page
    assert "the last words" in page
    assert str(fleet.work) not in page
    with httpd.serve(fleet.tree) as server:
        client = fleet.client(f"{server.url}/production", "with", plugin=True)
        fleet.world(client, "app-misc/one")
        updated = fleet.update(root=client).ok()
    assert client.merged() == {"app-misc/one-2.0": "binary"}
    assert updated.line("plan").startswith("1 package: 1 binary package, 0 to compile")


@pytest.mark.slow
def test_what_a_glsa_calls_vulnerable_comes_first(fleet: Fleet) -> None:
    repository, binhost = fleet.repository, fleet.binhost
    binhost.settings["GLSA_DIR"] = str(fleet.work / "glsa")
    binhost.write_settings()
    for name in ("one", "two"):
        repository.data(f"app-misc/{name}-1.0")
        repository.data(f"app-misc/{name}-2.0")
    fleet.world(binhost, "app-misc/one", "app-misc/two")
    binhost.emerge("=app-misc/one-1.0", "=app-misc/two-1.0").ok()
    before = len(binhost.merges())
    glsas.write(fleet.work / "glsa", "202401-01", "app-misc/two", "2.0")
    done = fleet.update().ok()
    assert done.line("vulnerable") == "1 vulnerable package updated first"
    assert [one.cpv for one in binhost.merges()[before:]] == ["app-misc/two-2.0", "app-misc/one-2.0"]
    assert fleet.update("--restart").ok().line("vulnerable") == "no GLSA applies to an installed package of the plan"


@pytest.mark.slow
def test_four_days(fleet: Fleet) -> None:
    repository, binhost = fleet.repository, fleet.binhost
    mirror = fleet.work / "mirror"
    fleet.configure(f'\n[mirror.near]\nto = "{mirror}"\nchannels = ["production"]\n')
    fleet.world(binhost, "app-misc/two")
    repository.data("app-misc/one-1.0")
    repository.data("app-misc/two-1.0", RDEPEND="app-misc/one")

    # Day 1: everything is new.
    first = fleet.update().ok()
    assert first.values["came"] == ["app-misc/one-1.0-1", "app-misc/two-1.0-1"]
    assert (fleet.release("staging"), fleet.release("production")) == (1, 2)
    assert (mirror / "production/Packages").is_file()
    with httpd.serve(fleet.tree) as server:
        url = f"{server.url}/production"
        with_us, alone = (fleet.client(url, name, plugin=name == "with") for name in ("with", "alone"))
        for client in (with_us, alone):
            fleet.world(client, "app-misc/two")
        fleet.update(root=with_us).ok()
        alone.emerge("--update", "--deep", "@world").ok()

        # Day 2: a new version of one package, and one of another that does not build.
        repository.data("app-misc/one-2.0")
        repository.ebuild(
            "app-misc/two-2.0", 'src_compile() { echo "the last words"; die "it breaks"; }\n', RDEPEND="app-misc/one"
        )
        second = fleet.update().failed()
        assert second.steps["emerge"] == "partly"
        (broken,) = second.values["failed"]
        assert broken["what"] == "app-misc/two-2.0"
        assert any("the last words" in line for line in broken["lines"]), broken
        assert second.values["came"] == ["app-misc/one-2.0-1"]
        told = (binhost.path / "var/log/portage/elog/summary.log").read_text()
        assert "failed: app-misc/two-2.0" in told, told

        # Day 3: a run is killed while it builds, and the next one goes on there.
        waits = fleet.work / "reached"
        repository.ebuild(
            "app-misc/two-3.0",
            f"src_compile() {{ if [[ ! -e {waits} ]]; then touch {waits}; sleep 600; fi; }}\n",
            RDEPEND="app-misc/one",
        )
        killed(binhost, waits.exists, "portage-ext", "update")
        third = fleet.update().ok()
        assert third.values["interrupted"] == "emerge"
        assert third.values["came"] == ["app-misc/two-3.0-1"]

        # Day 4: one mirror is out of reach; clients and the other mirror get what is new.
        fleet.configure(
            f'\n[mirror.near]\nto = "{mirror}"\nchannels = ["production"]\n[mirror.far]\nto = "rsync://127.0.0.1:1/none"\n'
        )
        repository.data("app-misc/one-4.0")
        fourth = fleet.update().failed()
        assert {name for name, outcome in fourth.steps.items() if outcome == "partly"} == {"mirrors"}
        assert [one["what"] for one in fourth.values["failed"]] == ["far"]
        assert (mirror / "production").readlink().name == str(fleet.release("production"))
        updated = fleet.update(root=with_us).ok()
        alone.emerge("--update", "--deep", "@world").ok()
    wanted = {"app-misc/one-4.0", "app-misc/two-3.0"}
    assert with_us.installed() == alone.installed() == wanted
    assert set(with_us.merged().values()) == set(alone.merged().values()) == {"binary"}
    assert updated.line("plan").startswith("2 packages: 2 binary packages, 0 to compile")

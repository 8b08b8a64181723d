"""`portage-ext build`: real emerge in cages builds for two targets, publishes, and their clients install and run the result."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from tests.system.builds.lab import Lab, left_behind
from tests.testkit import binpkgs, keys


def installed_says(lab: Lab, name: str) -> str:
    """Install app-misc/thing in a target from the packages that were built for it, and run it: what it prints."""
    lab.client(name, name).ok()
    installed = lab.targets[name].path / "usr"
    return lab.targets[name].run(str(installed / "bin/thing"), LD_LIBRARY_PATH=str(installed / "lib64")).ok().stdout


def test_each_target_gets_its_own_and_no_other(each_lab: Lab) -> None:
    for name in ("v2", "v3"):
        done = each_lab.run("build", name, "app-misc/thing").ok()
        assert "published app-misc/thing-1.0 as thing-1.0-1.gpkg.tar" in done.stdout
        assert left_behind(each_lab) == []
    each_lab.client("v2", "v3").failed()
    each_lab.client("v3", "v2").failed()
    assert installed_says(each_lab, "v3") == "v3\n"
    index = (each_lab.work / "binpkgs-v2/Packages").read_text()
    assert "CPV: app-misc/thing-1.0" in index
    assert "dev-libs/libtiny:0/1=" in index

    one, two = (job["key"] for job in each_lab.jobs())
    explained = json.loads(each_lab.run("builds", "explain", one, two, "--json").stdout)["ingredients"]
    found = {(part["kind"], part["name"]): (part["first"], part["second"]) for part in explained}
    assert found["variables", "CFLAGS"] == ("-O2 -march=x86-64-v2", "-O3 -march=x86-64-v3")
    assert found["variables", "EPREFIX"] == tuple(str(each_lab.targets[name].path) for name in ("v2", "v3"))
    assert found["use", "foo"] == ("on", "off")
    assert found["dependencies", "dev-libs/libtiny:0"] == (
        "cpv=dev-libs/libtiny-1 slot=0/1",
        "cpv=dev-libs/libtiny-2 slot=0/2",
    )
    assert {kind for kind, _ in found} == {"variables", "use", "dependencies"}


@pytest.mark.slow
def test_what_is_built_for_the_lesser_target_runs_there(lab: Lab) -> None:
    plan = lab.run("build", "v2", "app-misc/thing", "--pretend").ok()
    assert "app-misc/thing-1.0" in plan.stdout
    assert "to build" in plan.stdout
    assert lab.packages("v2") == []
    lab.run("build", "v2", "app-misc/thing").ok()
    assert installed_says(lab, "v2") == "below v3\n"


def test_the_same_is_not_built_again_and_a_change_is(small: Lab) -> None:
    small.repository.data("app-misc/note-1", IUSE="foo")
    built = json.loads(small.run("build", "v2", "app-misc/note", "--json").ok().stdout)
    (first,) = small.jobs()
    assert (built["target"], built["jobs"]) == ("v2", [first])
    shown = json.loads(small.run("builds", "show", first["key"], "--json").ok().stdout)
    assert (shown["ingredients"]["cpv"], shown["attempts"][0]["outcome"]) == ("app-misc/note-1", "checked")
    # What decides nothing: MAKEOPTS, and the ebuild's time.
    target = small.targets["v2"]
    target.settings["MAKEOPTS"] = "-j7"
    target.write_settings()
    os.utime(small.repository.location / "app-misc/note/note-1.ebuild")
    assert "exists" in small.run("build", "v2", "app-misc/note").ok().stdout
    assert [job["key"] for job in small.jobs()] == [first["key"]]
    assert len(small.packages("v2")) == 1
    # By its world: what an update of it would merge.
    (target.path / "var/lib/portage/world").write_text("app-misc/note\n")
    assert "app-misc/note-1  exists" in small.run("build", "v2", "@world").ok().stdout
    # A package that is gone is queued again. Nothing is built from here on.
    # With Buildbot, `build` would wait for the drained builder. So this case is for the local engine alone.
    small.run("builds", "drain", "the test looks at the queue").ok()
    small.packages("v2")[0].unlink()
    assert "app-misc/note-1  to build" in small.run("build", "v2", "@world").failed().stdout
    assert [(job["key"], job["state"]) for job in small.jobs()] == [(first["key"], "queued")]

    target.etc("package.use/note", "app-misc/note -foo\n")
    target.etc("patches/app-misc/note/a.patch", "")
    target.etc("bashrc", "# a hook of the administrator\n")
    target.settings["CFLAGS"] = "-O1"
    target.write_settings()
    small.repository.write("app-misc/note/files/more", "x")
    small.capture("v2").ok()
    small.run("build", "v2", "app-misc/note").failed()
    (second,) = [job["key"] for job in small.jobs() if job["key"] != first["key"]]
    explained = json.loads(small.run("builds", "explain", first["key"], second, "--json").stdout)["ingredients"]
    assert {(part["kind"], part["name"]) for part in explained} == {
        ("use", "foo"),
        ("ebuild", "bashrc bashrc"),
        ("ebuild", "files"),
        ("ebuild", "patches note"),
        ("variables", "CFLAGS"),
    }


@pytest.mark.slow
def test_a_package_that_is_gone_is_built_again(small: Lab) -> None:
    small.repository.data("app-misc/note-1")
    for _ in range(2):
        assert "app-misc/note-1  to build" in small.run("build", "v2", "app-misc/note").ok().stdout
        (package,) = small.packages("v2")
        package.unlink()


def test_an_environment_with_one_dependency_more_or_less_is_blocked_by_name(each_small: Lab) -> None:
    target = each_small.targets["v2"]
    blocked = "blocked: the environment of target v2 differs from the target: installed dev-libs/libtiny:0: "
    binpkgs.record_installed(target.path, "dev-libs/libtiny-1", SLOT="0/1")
    assert f"{blocked}nothing -> " in each_small.run("build", "v2", "app-misc/thing").failed().stderr
    each_small.capture("v2").ok()
    shutil.rmtree(target.path / "var/db/pkg/dev-libs/libtiny-1")
    lacks = each_small.run("build", "v2", "app-misc/thing").failed().stderr
    assert blocked in lacks
    assert " -> nothing" in lacks

    assert each_small.jobs() == []
    assert each_small.packages("v2") == []
    assert left_behind(each_small) == []


@pytest.mark.slow
def test_a_dependency_that_emerge_removed_blocks_until_it_is_back_or_captured(lab: Lab) -> None:
    target = lab.targets["v3"]
    target.emerge("--unmerge", "dev-libs/libtiny").ok()
    lacks = lab.run("build", "v3", "app-misc/thing").failed().stderr
    assert "blocked: the environment of target v3 differs from the target: installed dev-libs/libtiny:0: " in lacks
    assert " -> nothing. What to do: " in lacks
    assert (lab.jobs(), lab.packages("v3")) == ([], [])
    # The other target is not concerned, and after a capture the library is a job of its own.
    assert "published app-misc/thing-1.0" in lab.run("build", "v2", "app-misc/thing").ok().stdout
    lab.capture("v3").ok()
    plan = json.loads(lab.run("build", "v3", "app-misc/thing", "-p", "--json").ok().stdout)["jobs"]
    assert [job["cpv"] for job in plan] == ["dev-libs/libtiny-2", "app-misc/thing-1.0"]


@pytest.mark.slow
def test_a_set_of_the_user_says_what_is_built_and_is_part_of_the_environment(small: Lab) -> None:
    for name in ("note", "other"):
        small.repository.data(f"app-misc/{name}-1")
    sets = small.targets["v2"].path / "etc/portage/sets"
    sets.mkdir()
    (sets / "mine").write_text("app-misc/note\n")
    blocked = small.run("build", "v2", "@mine").failed().stderr
    assert "differs from the target: file etc/portage/sets/mine: nothing -> " in blocked
    small.capture("v2").ok()
    small.run("build", "v2", "@mine").ok()
    (note,) = small.jobs()
    assert note["cpv"] == "app-misc/note-1"
    # It decides which packages are built, not how: an atom has the same key, and so has the package when the set is longer.
    assert "exists" in small.run("build", "v2", "app-misc/note").ok().stdout
    (sets / "mine").write_text("app-misc/note\napp-misc/other\n")
    small.capture("v2").ok()
    plan = json.loads(small.run("build", "v2", "@mine", "-p", "--json").ok().stdout)["jobs"]
    assert {job["cpv"]: job["state"] for job in plan} == {"app-misc/note-1": "published", "app-misc/other-1": "new"}
    assert note["key"] in [job["key"] for job in plan]


def test_what_is_missing_is_built_first_and_merged_over_the_environment(small: Lab) -> None:
    # The builder signs; the environment of the target does not know the key, and need not.
    key = keys.new_key(small.work / "key")
    gnupg = small.builder.path / "etc/portage/gnupg"
    keys.trust(gnupg, key)
    verifies = {"BINPKG_GPG_VERIFY_GPG_HOME": str(gnupg)}
    small.builder.settings |= verifies
    small.builder.write_settings()
    settings = small.builder.path / "etc/portage/portage-ext.toml"
    settings.write_text(f'{settings.read_text()}\n[sign]\nkey = "{key.fingerprint}"\nhomedir = "{key.home}"\n')
    # The environment has built the library once, for itself.
    log = "1700000000:  >>> emerge (1 of 1) {0} to /\n1700000060:  ::: completed emerge (1 of 1) {0} to /\n"
    (small.targets["v2"].path / "var/log/emerge.log").write_text(log.format("dev-libs/libtiny-1"))
    plan = json.loads(small.run("build", "v2", "app-misc/thing", "-p", "--json").ok().stdout)["jobs"]
    assert [(job["cpv"], job["state"]) for job in plan] == [("dev-libs/libtiny-2", "new"), ("app-misc/thing-1.0", "new")]
    assert plan[1]["needs"] == [plan[0]["key"]]
    done = small.run("build", "v2", "app-misc/thing", "--wait", "--jobs", "2").ok()
    assert "published app-misc/thing-1.0" in done.stdout
    assert "no build of 1 of them has succeeded here yet" in done.stdout
    assert "dev-libs/libtiny-2: >>> Emerging (1 of 1) dev-libs/libtiny-2" in done.stdout  # what the build says
    # The environment is as it was, and the client gets both.
    assert small.targets["v2"].installed() == set()
    small.targets["v2"].settings |= verifies
    small.targets["v2"].write_settings()
    small.client("v2", "v2").ok()
    keys.kill_agents(key.home)
    assert small.targets["v2"].installed() == {"app-misc/thing-1.0", "dev-libs/libtiny-2"}
    # Once it has both, its own library is the same ingredient: nothing is built again.
    small.capture("v2").ok()
    again = small.run("build", "v2", "app-misc/thing").ok()
    assert "exists" in again.stdout
    assert len(small.jobs()) == 2
    (layer,) = small.state.glob("layers/*/tree")
    assert list(layer.rglob("libtiny.so.2"))
    assert left_behind(small) == []


def test_a_target_without_a_place_or_a_system_is_told_what_to_do(small: Lab) -> None:
    unresolved = small.run("build", "v2", "app-misc/none").failed()
    assert "target v2: emerge could not resolve the request:\n  " in unresolved.stderr
    assert '\n  emerge: there are no ebuilds to satisfy "app-misc/none".\n' in unresolved.stderr
    small.builder.etc("portage-ext.toml", '[binhost]\nafter-emerge = "index"\n')
    unplaced = small.run("build", "v2", "app-misc/thing").failed()
    assert "add to portage-ext.toml: [repository.v2] with tree and pkgdir" in unplaced.stderr
    small.builder.etc(
        "portage-ext.toml",
        f'[binhost]\nafter-emerge = "index"\n[repository.far]\ntree = "{small.work}/t"\npkgdir = "{small.work}/p"\n',
    )
    own = small.builder.path / "builder.json"
    own.write_text(small.run("compare", "--print").ok().stdout)
    small.run("target", "capture", "far", "--builder", str(own)).ok()
    elsewhere = small.run("build", "far", "app-misc/thing").failed()
    assert "builds need a system on this host" in elsewhere.stderr


TAKE = """
import sys
from pathlib import Path
from portage_ext.builds.means import means
from portage_ext.builds.issuing import issue
from portage_ext.tasks.site import Site
with means(Site.read(Path(sys.argv[1]))) as its:
    attempt = its.ledger.take("far", its.places.log)
    issue(its, attempt, Path(sys.argv[2]))
    print(attempt.key, attempt.fence)
"""


@pytest.mark.slow
def test_another_engine_has_a_job_built_by_commands_alone(small: Lab) -> None:
    small.repository.data("app-misc/note-1")
    small.run("builds", "drain", "another engine takes it").ok()
    small.run("build", "v2", "app-misc/note").failed()
    (job,) = small.jobs()
    assert job["state"] == "queued"
    order, out = small.work / "order", small.work / "out"
    out.mkdir()
    python = str(small.builder.environment.python)
    key, fence = small.builder.run(python, "-c", TAKE, str(small.builder.path), str(order)).ok().stdout.split()
    built = small.run("builds", "perform", str(order / "order.json"), str(out)).ok()
    assert "app-misc/note-1" in built.stdout  # the log
    small.run("builds", "accept", key, fence, str(out)).ok()
    assert small.packages("v2") == []
    small.run("builds", "resume").ok()
    small.run("builds", "run").ok()
    assert [job["state"] for job in small.jobs()] == ["published"]
    assert len(small.packages("v2")) == 1
    # What comes a second time changes nothing.
    small.run("builds", "accept", key, fence, str(out)).ok()
    assert len(small.packages("v2")) == 1
    assert left_behind(small) == []

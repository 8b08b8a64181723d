"""`portage-ext rebuild-check`: what `build` has published is built again by real emerge, in its cage, and compared."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.system.builds.lab import Lab, left_behind

RANDOM = "src_install() { insinto /usr/share/dice; head -c 16 /dev/urandom > cast || die; doins cast; }\n"


def test_a_reproducible_and_an_unreproducible_package(small: Lab) -> None:
    small.repository.data("app-misc/note-1")
    small.repository.ebuild("app-misc/dice-1", RANDOM)
    small.run("build", "v2", "app-misc/note", "app-misc/dice").ok()
    before = {path: path.read_bytes() for path in small.packages("v2")}
    done = small.run("rebuild-check", "app-misc/note", "app-misc/dice", "--json")
    assert done.status == 1, done
    told = json.loads(done.stdout)
    found = {one["cpv"]: one for one in told["packages"]}
    assert {cpv: one["outcome"] for cpv, one in found.items()} == {
        "app-misc/note-1": "reproducible",
        "app-misc/dice-1": "different",
    }
    (differs,) = found["app-misc/dice-1"]["differences"]
    assert (differs["kind"], differs["name"].rpartition("/usr/")[2]) == ("file", "share/dice/cast")
    report = next(path for path in found["app-misc/dice-1"]["reports"] if path.endswith("differences.txt"))
    assert f"file {differs['name']}\n" in Path(report).read_text()
    (share,) = told["shares"]
    assert (share["target"], share["packages"], share["checked"], share["reproducible"]) == ("v2", 2, 2, 1)
    assert {path: path.read_bytes() for path in small.packages("v2")} == before, "a package was published again"
    assert left_behind(small) == []

    # The figure without a build, and what has no recorded environment.
    figure = small.run("rebuild-check", "--target", "v2").ok().stdout
    assert "v2: 50 % (1 of 2 that were built again)" in figure
    assert "no published package matches app-misc/nothing" in small.run("rebuild-check", "app-misc/nothing").failed().stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("diffoscope") is None, reason="diffoscope is not installed")
def test_diffoscope_says_what_differs(small: Lab) -> None:
    """The real one: it shows the difference in the file, and nothing that does not count, such as times."""
    cast = "printf '%05d%05d%05d\\n' ${RANDOM} ${RANDOM} ${RANDOM}"
    small.repository.ebuild("app-misc/dice-1", RANDOM.replace("head -c 16 /dev/urandom", cast))
    small.run("build", "v2", "app-misc/dice").ok()
    done = small.run("rebuild-check", "app-misc/dice")
    assert done.status == 1, done
    (path,) = [word for word in done.stdout.split() if word.endswith("diffoscope.txt")]
    said = Path(path).read_text()
    assert "usr/share/dice/cast" in said
    assert re.search(r"^\W*-[0-9]{15}$", said, re.M), said
    assert re.search(r"^\W*\+[0-9]{15}$", said, re.M), said
    assert "metadata" not in said
    assert left_behind(small) == []


@pytest.mark.slow
def test_a_program_is_reproducible_until_its_environment_differs(lab: Lab) -> None:
    for name in ("v2", "v3"):
        lab.run("build", name, "app-misc/thing").ok()
    assert "is reproducible: the same files, metadata and contract" in lab.run("rebuild-check", "app-misc/thing").ok().stdout
    # It is built in the recorded environment, or not at all.
    lab.targets["v2"].emerge("=dev-libs/libtiny-2").ok()
    done = lab.run("rebuild-check", "=app-misc/thing-1.0", "--target", "v2")
    assert done.status == 3, done
    assert "app-misc/thing-1.0 could not be built again" in done.stdout
    assert "the environment of target v2 differs" in " ".join(done.stdout.split())
    lab.run("rebuild-check", "app-misc/thing", "--target", "v3").ok()

"""Building for other machines: what a cage, a job, an answer and a plan cost beside emerge alone, and how much keys share.

    python -m bench.builds [PACKAGES]

Real emerge in Gentoo Prefixes of the test kit; needs root and namespaces. Sharing is counted over a made-up world of PACKAGES
packages (300) and five targets, without emerge: what is counted are the keys. The ebuild repository has the metadata of its
ebuilds (md5-cache), as those that are synced have.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.measure import table
from portage_ext.builds.cages import isolation
from portage_ext.builds.cages.cage import Bounds
from portage_ext.builds.cages.environment import Environment, stacked, write_layer
from portage_ext.builds.key import GRADES, Job
from portage_ext.builds.layers import stack
from portage_ext.builds.layers.store import Layers
from portage_ext.builds.ledger.ledger import Ledger
from portage_ext.limits import GIB
from portage_ext.targets.copying.listing import LAYERS
from portage_ext.targets.store import Store
from tests.system.builds import lab as kit
from tests.system.builds.lab import Lab
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

RUNS = 3
BOUNDS = Bounds(GIB, 100, GIB, 60.0)
FILES = 5000
"""Of the layers that are checked, together."""


def median(work: Callable[[], object], runs: int = RUNS) -> float:
    """Seconds."""
    taken = []
    for number in range(runs + 1):
        start = time.perf_counter()
        work()
        if number:  # the first run warms the caches
            taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def cage(lab: Lab, work: Path) -> float:
    """A cage over an environment with a layer of FILES files: checked, mounted, `true`, gone."""
    target = Store(lab.builder.path).load("v2")
    place = Environment("v2", target, lab.targets["v2"].path, True, ())
    layers, number = Layers(work / "layers"), iter(range(1000))
    recipe = {"of": "the bench"}

    def once() -> None:
        directory = work / f"scratch{next(number)}"
        for name in ("layer", "root"):
            (directory / name).mkdir(parents=True)
        write_layer(place, directory / "layer")
        with layers.layer(recipe, partial(fill, FILES)) as tree, tempfile.TemporaryFile() as log:
            ended = isolation.run(place.cage((directory / "layer", tree), directory / "root", ("/bin/true",), BOUNDS), log)
            assert ended.status == 0

    return median(once, 2 * RUNS)


def layered(lab: Lab, work: Path) -> float:
    """The same for an environment that consists of layers, as `target copy` makes them, with FILES files in all."""
    store, number = work / "copied", iter(range(1000))
    contents = {name: hashlib.blake2b(name.encode(), digest_size=32).hexdigest() for name in LAYERS}
    made = stack.Stack(store, contents, "the bench")
    for name, recipe in made.recipes():
        with Layers(store).layer(recipe, partial(fill, FILES // len(LAYERS), runs=name == "base")):
            pass
    place = stacked("v2", Store(lab.builder.path).load("v2"), made)

    def once() -> None:
        directory = work / f"over{next(number)}"
        for name in ("layer", "root"):
            (directory / name).mkdir(parents=True)
        write_layer(place, directory / "layer")
        with place.held(), tempfile.TemporaryFile() as log:
            assert not made.missing()
            ended = isolation.run(place.cage((directory / "layer",), directory / "root", ("/bin/true",), BOUNDS), log)
            assert ended.status == 0

    return median(once, 2 * RUNS)


def fill(count: int, tree: Path, *, runs: bool = False) -> None:
    """Make a layer of ``count`` files; if it ``runs``, with what a cage starts."""
    if runs:
        programs(tree)
    for one in range(count):
        path = tree / f"usr/share/{one % 50}/{one}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def programs(tree: Path) -> None:
    """Put what a cage starts into a layer: setpriv and true, with their libraries."""
    names = [path for name in ("setpriv", "true") if (path := shutil.which(name))]
    said = subprocess.run(["ldd", *names], capture_output=True, text=True, check=True).stdout
    libraries = {word for line in said.splitlines() if line.startswith("\t") for word in line.split() if word.startswith("/")}
    for path in (*names, *libraries):
        for place in {path, f"/bin/{Path(path).name}"} if path in names else {path}:
            copy = Path(f"{tree}{place}")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)


def job(lab: Lab) -> tuple[float, float, float]:
    """Seconds of emerge alone for a small package, of a whole job for it, and of the plan before the job."""
    root, number = lab.targets["v2"], iter(range(1000))
    lab.repository.data("app-misc/alone-1")
    cached(lab)
    alone = median(lambda: root.emerge("--buildpkgonly", "--oneshot", "--nodeps", "app-misc/alone").ok())
    plans, whole = [], []
    for _ in range(RUNS):
        name = f"app-misc/job{next(number)}"
        lab.repository.data(f"{name}-1")
        cached(lab)
        start = time.perf_counter()
        lab.run("build", "v2", name, "--pretend").ok()
        plans.append(time.perf_counter() - start)
        start = time.perf_counter()
        lab.run("build", "v2", name).ok()
        whole.append(time.perf_counter() - start)
    return alone, statistics.median(whole) - statistics.median(plans), statistics.median(plans)


def cached(lab: Lab) -> None:
    """Write the metadata of new ebuilds into the repository, as whoever publishes one does."""
    lab.targets["v2"].run("egencache", "--update", "--repo", "tiny").ok()


def answer(work: Path, count: int) -> float:
    """Whether a build with this key is published, in a process that has the ledger open."""
    ledger = Ledger(work / "many.sqlite")
    world = targets(count)[0]
    keys = [one.key() for one in world]
    for key, one in zip(keys, world, strict=True):
        ledger.request(key, "v2", one)
    chance = random.Random(1)
    return median(lambda: ledger.request(chance.choice(keys), "v2", world[0]), 50)


def plan(work: Path, count: int) -> tuple[float, float]:
    """Seconds of `emerge -p` for ``count`` packages in a chain of libraries, and of `build --pretend` for them."""
    lab = kit.make(work, "v2", libraries=False)
    needs = chain(lab.repository, count)
    root: Root = lab.targets["v2"]
    plain = median(lambda: root.emerge("--pretend", "--usepkg=n", needs).ok(), 2)
    ours = median(lambda: lab.run("build", "v2", needs, "--pretend").ok(), 2)
    found = json.loads(lab.run("build", "v2", needs, "--pretend", "--json").ok().stdout)["jobs"]
    assert len(found) == count
    return plain, ours


def chain(repository: EbuildRepository, count: int) -> str:
    chance = random.Random(2)
    for number in range(count):
        below = sorted({chance.randrange(max(0, number - 40), number) for _ in range(3)}) if number else []
        depends = " ".join(f"app-misc/of{one}:=" for one in below)
        every = " ".join(f"app-misc/of{one}" for one in range(number)) if number == count - 1 else ""
        repository.data(f"app-misc/of{number}-1", DEPEND=depends, RDEPEND=f"{depends} {every}", SLOT=f"0/{number % 9}")
    return f"app-misc/of{count - 1}"


def targets(count: int) -> list[list[Job]]:
    """The same world of ``count`` packages as five targets have it, which differ as real ones do.

    1 is the first. 2 has the same CFLAGS, but built its packages itself (other files and build ids). 3 lags behind in a tenth
    of the versions, of which a tenth have another sub-slot. 4 has other USE flags in a tenth of the packages. 5 has another
    -march.
    """
    chance = random.Random(3)
    needs: list[list[int]] = []
    for number in range(count):
        near = {chance.randrange(max(0, number - 60), number) for _ in range(chance.randrange(6))} if number else set()
        needs.append(sorted(near.union(*(needs[one] for one in near))))
    old = {number: place % 10 == 0 for place, number in enumerate(chance.sample(range(count), count // 10))}
    flags = set(chance.sample(range(count), count // 10))
    return [[_job(number, kind, needs, old, flags) for number in range(count)] for kind in range(1, 6)]


def _job(number: int, kind: int, needs: list[list[int]], old: dict[int, bool], flags: set[int]) -> Job:
    version = 1 if kind == 3 and number in old else 2

    def installed(one: int) -> dict[str, str]:
        lags = kind == 3 and one in old
        files = f"{kind if kind in (2, 5) or (kind == 4 and one in flags) else 1}.{lags}"
        return {
            "cpv": f"dev-libs/p{one}-{1 if lags else 2}",
            "slot": f"0/{1 if lags and old[one] else 2}",
            "build_id": "2" if kind == 2 else "1",
            "contents": f"{one}.{files}",
        }

    return Job(
        cpv=f"dev-libs/p{number}-{version}",
        ebuild={"ebuild": f"{number}.{version}"},
        use={"foo": "off" if kind == 4 and number in flags else "on"},
        variables={"CFLAGS": f"-O2 -march={'x86-64-v4' if kind == 5 else 'x86-64-v3'}"},
        dependencies={f"dev-libs/p{one}:0": installed(one) for one in needs[number]},
        toolchain={},
        distfiles={},
    )


def sharing(count: int) -> list[tuple[str, ...]]:
    """For each grade: builds that all five targets together need, and how many of a further target's exist already."""
    every = targets(count)
    rows: list[tuple[str, ...]] = [("grade", "builds for five", "of 2 in 1", "of 3 in 1", "of 4 in 1", "of 5 in 1")]
    for grade in GRADES:
        keys = [{one.key(grade) for one in world} for world in every]
        shared = [f"{len(keys[0] & other) / count:.0%}" for other in keys[1:]]
        rows.append((grade, str(len(set().union(*keys))), *shared))
    return rows


def main() -> None:
    """Measure and print the tables."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    print(table(sharing(count)))
    with tempfile.TemporaryDirectory(prefix="bench-builds.") as name:
        work = Path(name)
        answered = answer(work, count)
        lab = kit.make(work / "lab", "v2", libraries=False)
        caged, stacks = cage(lab, work), layered(lab, work)
        alone, whole, planned = job(lab)
        plain, ours = plan(work / "plan", count)
    rows = [
        ("", "measured", "wanted"),
        (f"environment with a layer of {FILES} files: checked, mounted, gone", f"{caged * 1000:.0f} ms", "100 ms"),
        (f"  one of {len(LAYERS)} layers with as many files in all", f"{stacks * 1000:.0f} ms", "100 ms"),
        ("emerge alone, a package of one file", f"{alone:.2f} s", ""),
        ("the job for it: capture compared, built, checked, merged on trial, indexed", f"{whole:.2f} s", ""),
        ("  beside emerge", f"{whole - alone:+.2f} s", "1 s"),
        ("its plan", f"{planned:.2f} s", ""),
        (f"one of {count} builds exists: answer in the process", f"{answered * 1000:.1f} ms", "50 ms"),
        (f"emerge -p, {count} packages", f"{plain:.2f} s", ""),
        ("  build --pretend", f"{ours:.2f} s ({ours / plain:.2f})", "2.00"),
    ]
    print(table(rows))


if __name__ == "__main__":
    main()

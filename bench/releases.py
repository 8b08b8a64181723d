"""A release of 30,000 packages with 100 changed: seconds and disk, against ``cp -al`` plus ``emaint binhost --fix``.

    python -m bench.releases WORK [--count 30000] [--changed 100] [--runs 3] [--pkgdir DIR] [--no-peer]

WORK must not be there yet; it keeps PKGDIR and the tree. Each run replaces 100 packages by other builds and publishes: timed is
the whole command, from the shell to the switched channel, with the gate `index` (every form, every size, and every byte of
the fresh packages), and a second one without any gate; then a promotion, a rollback, and the removal of two releases. With
``--pkgdir`` the packages are linked from there instead of made. The peer does what a script of today does: a linked copy of
PKGDIR for the release, then Portage's own index.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench import packages
from bench.measure import table
from tests.testkit import environments, keys
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root


def change(pkgdir: Path, paths: list[Path], count: int, seed: int) -> None:
    """Replace ``count`` packages by other bytes of about the same size, as a rebuild under the same name does."""
    chance = random.Random(seed)
    made = packages.packages(count, seed=1000 + seed)
    for path, package in zip(chance.sample(paths, count), made, strict=True):
        # The identity stays; the image is another.
        category, pn = path.parent.parent.name, path.parent.name
        stem = path.name.removesuffix(".gpkg.tar")
        pf, _, build = stem.rpartition("-")
        files = {**package.files, "CATEGORY": f"{category}\n".encode(), "PF": f"{pf}\n".encode()}
        files["BUILD_ID"] = f"{build}\n".encode()
        other = packages.Package(category, pn, pf[len(pn) + 1 :], int(build), files, package.payload)
        new = path.with_name(".new")
        new.write_bytes(packages.container(other, chance.randbytes))
        new.rename(path)


def usage(tree: Path) -> dict[str, int]:
    """Bytes on the disk below ``tree``: packages, index forms, directories; every file once however often it is linked."""
    found = {"packages": 0, "index": 0, "directories": 0}
    seen: set[int] = set()
    for directory, _, names in os.walk(tree):
        found["directories"] += os.stat(directory).st_blocks * 512
        for name in names:
            status = os.lstat(os.path.join(directory, name))
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                found["packages" if name.endswith(".gpkg.tar") else "index"] += status.st_blocks * 512
    return found


def count_directories(tree: Path) -> int:
    return sum(1 for _ in os.walk(tree))


def timed(*command: str) -> float:
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


class Taken(NamedTuple):
    """Seconds of wall time, and of CPU time of all processes: on a busy machine only these can be compared."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} ({self.cpu:.2f})"


def run(root: Root, *command: str) -> Taken:
    """The time of a command in ``root``; Portage's reindex takes minutes, so there is no bound."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, env=root.variables(), cwd=root.path, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(time.monotonic() - started, cpu)


def median(taken: Sequence[Taken]) -> Taken:
    return Taken(statistics.median(one.wall for one in taken), statistics.median(one.cpu for one in taken))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path)
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--changed", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--pkgdir", type=Path)
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    measured(options.work, options.count, options.changed, options.runs, pkgdir=options.pkgdir, peer=not options.no_peer)


def measured(
    place: Path, count: int, changed: int, runs: int, *, pkgdir: Path | None = None, peer: bool = False
) -> tuple[float, float]:
    """Print the table; seconds of a publish with the gate `index`, and the directories that a release adds (medians)."""
    work = Path(os.path.abspath(place))
    work.mkdir(parents=True, exist_ok=True)
    repository = EbuildRepository.create(work / "repo")
    root = Root.create(work / "host", environments.environment(), [repository], features="binpkg-multi-instance")
    if not any(root.pkgdir.iterdir()):
        if pkgdir:
            root.pkgdir.rmdir()
            subprocess.run(["cp", "-al", str(pkgdir), str(root.pkgdir)], check=True)
            for name in ("Packages", "Packages.gz", "Packages.zst", ".portage-ext.sqlite"):
                (root.pkgdir / name).unlink(missing_ok=True)
        else:
            packages.build(root.pkgdir, count)
    paths = sorted(root.pkgdir.glob("*/*/*.gpkg.tar"))
    print(f"{len(paths)} packages, {changed} changed in each run, load {os.getloadavg()[0]:.1f}", flush=True)
    key = keys.new_key(work / "key")
    tree = work / "tree"
    words = ("portage-ext", "publish", "--tree", str(tree), "--channel", "staging", "--no-prune")
    words += ("--key", key.fingerprint, "--homedir", str(key.home))
    rows = [["work", "seconds (CPU)", "of"]]
    growth: list[dict[str, int]] = []
    directories: list[int] = []
    published = 0.0
    try:
        rows.append(["first release, nothing indexed before", str(run(root, *words, "--gates", "none")), "1"])
        for name, gates in (("publish, gate index", "index"), ("publish, no gate", "none")):
            taken: list[Taken] = []
            for number in range(runs):
                change(root.pkgdir, paths, changed, seed=number + (100 if gates == "none" else 0))
                before, had = usage(tree), count_directories(tree)
                taken.append(run(root, *words, "--gates", gates))
                after = usage(tree)
                directories.append(count_directories(tree) - had)
                growth.append({part: after[part] - before[part] for part in after})
            rows.append([name, str(median(taken)), str(len(taken))])
            published = published or median(taken).wall
        rows.append(["publish, no difference", str(run(root, *words)), "1"])
        others, signing = ("--tree", str(tree)), ("--key", key.fingerprint, "--homedir", str(key.home))
        promote = ("portage-ext", "promote", "staging", "production", "--gates", "index", *others, *signing)
        run(root, *promote)
        change(root.pkgdir, paths, changed, seed=500)
        run(root, *words, "--gates", "none")
        rows.append(["promote 100 changes, gate index", str(run(root, *promote)), "1"])
        rows.append(["roll back", str(run(root, "portage-ext", "rollback", "production", *others, *signing)), "1"])
        for number in range(1, 3):
            # Made by hand: retention keeps what was live in the last days.
            shutil.copytree(tree / f"releases/{number}", tree / f"releases/.gone.{number}", symlinks=True)
            shutil.rmtree(tree / f"releases/{number}")
        rows.append(["remove 2 releases", str(run(root, "portage-ext", "prune", *others)), "1"])
        if peer:
            change(root.pkgdir, paths, changed, seed=999)
            copy = timed("cp", "-al", str(root.pkgdir), str(work / "copy"))
            index = run(root, "emaint", "binhost", "--fix")
            rows.append(["cp -al of PKGDIR", f"{copy:.2f}", "1"])
            rows.append([f"emaint binhost --fix (Portage {environments.NEWEST})", str(index), "1"])
    finally:
        keys.kill_agents(key.home)
        print(table(rows), flush=True)
    if growth:
        parts = ", ".join(f"{part} {statistics.median(one[part] for one in growth) / 1e6:.1f} MB" for part in growth[0])
        whole = sum(path.stat().st_size for path in paths) / 1e6
        print(f"disk: each release adds {parts}; the packages of a release have {whole:.0f} MB")
    shutil.rmtree(work / "copy", ignore_errors=True)
    return published, statistics.median(directories)


if __name__ == "__main__":
    main()

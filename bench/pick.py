"""Picking out of a large overlay: the same plans as with the whole overlay, and how long it takes after the fetch.

    python -m bench.pick [DIR] [--main DIR] [--packages 200] [--deps 20] [--seed 1]

DIR is any overlay; without one, 2,000 packages are made, each of which needs others. --main is a repository with a profile
that it builds on, such as a checkout of ::gentoo. So many random packages are listed, picked by real `emerge --sync`, and
planned with and without the rest of the overlay: all by themselves (--nodeps), --deps of them with all that they need, one
after another. A pick that has no md5-cache to read runs its ebuilds. Exit status 1 when a plan differs. Beside the time that
passes stands CPU time, of all processes together, which says more on a machine that does other work, too.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.system.repositories import overlays
from tests.system.repositories.overlays import Client, Overlay
from tests.testkit.ebuilds import EbuildRepository


def generated(location: Path, count: int = 2000) -> Overlay:
    """An overlay in which every package needs up to two before it."""
    made = overlays.overlay(location)
    made.eclass("common", 'IUSE="extra"\n')
    for number in range(count):
        needed = " ".join(f"app-misc/p{number // 3 + step}" for step in range(2)) if number % 3 == 0 and number else ""
        made.ebuild(f"app-misc/p{number}-1.{number}", RDEPEND=f"dev-libs/base {needed}")
        path = location / f"app-misc/p{number}/p{number}-1.{number}.ebuild"
        path.write_text(path.read_text().replace("EAPI=8\n", "EAPI=8\ninherit common\n"))
    return made


def client(work: Path, name: str, main: Path | None) -> Client:
    made = overlays.client(work / name)
    if main is not None:
        conf = made.root.path / "etc/portage/repos.conf"
        repository = EbuildRepository(main, (main / "profiles/repo_name").read_text().strip())
        conf.write_text(conf.read_text().replace(f"[{made.main.name}]\nlocation = {made.main.location}",
                                                 f"[{repository.name}]\nlocation = {repository.location}")
                        .replace(f"main-repo = {made.main.name}", f"main-repo = {repository.name}"))  # fmt: skip
        made.root.etc("make.conf", (made.root.path / "etc/portage/make.conf").read_text() + 'ACCEPT_KEYWORDS="** ~*"\n')
        profile = made.root.path / "etc/portage/make.profile"
        profile.unlink()
        profile.symlink_to(main / "profiles/default/linux/amd64/23.0" if (main / "profiles/default/linux/amd64/23.0").is_dir()
                           else main / "profiles/default/linux/amd64")  # fmt: skip
    return made


def planned(host: Client, *words: str) -> list[str]:
    run = host.root.emerge("-p", *words)
    lines = [re.sub(r"\s+", " ", line) for line in run.stdout.splitlines() if line.startswith(("[ebuild", "[blocks"))]
    return lines or [f"exit status {run.status}"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("overlay", nargs="?", type=Path, metavar="DIR")
    parser.add_argument("--main", type=Path, metavar="DIR")
    parser.add_argument("--packages", type=int, default=200)
    parser.add_argument("--deps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        work = Path(name)
        work.chmod(0o755)
        if options.overlay is None:
            source = generated(work / "guru")
        else:
            title = (options.overlay / "profiles/repo_name").read_text().strip()
            shutil.copytree(options.overlay, work / "overlay", ignore=shutil.ignore_patterns(".git"), symlinks=True)
            source = Overlay(work / "overlay", title)
        source.commit()
        there = sorted({"/".join(one.parts[-3:-1]) for one in source.location.glob("*/*/*.ebuild")})
        chosen = random.Random(options.seed).sample(there, min(options.packages, len(there)))
        picking, whole = client(work, "picking", options.main), client(work, "whole", options.main)
        whole.configure(source, source.name, sync_type="git")
        whole.sync(source.name).ok()
        picking.configure(source, source.name)
        fetch = _sync(picking, source.name, [])
        again = _sync(picking, source.name, [])
        few = _sync(picking, source.name, chosen[:20])
        unchanged = _sync(picking, source.name, chosen[:20])
        many = _sync(picking, source.name, chosen)
        print(f"{len(there)} packages; first fetch {fetch}; a sync of nothing {again}; {len(chosen[:20])} picked {few}; "
              f"again without a change {unchanged}; {len(chosen)} picked {many}")  # fmt: skip
        differences = 0
        for words in (("--nodeps", *chosen), *((one,) for one in chosen[: options.deps])):
            atoms = [word if word.startswith("-") else f"{word}::{source.name}" for word in words]
            one, other = planned(picking, *atoms), planned(whole, *atoms)
            if one != other:
                differences += 1
                print(f"{words[0]}: {set(one) ^ set(other)}")
        print(f"{1 + min(options.deps, len(chosen))} plans compared, {differences} differ")
    return 1 if differences else 0


def _sync(host: Client, name: str, packages: list[str]) -> str:
    """Sync with that list; how long it took."""
    host.list(*(f"{one}::{name}" for one in packages))
    started, before = time.perf_counter(), _cpu()
    host.sync(name).ok()
    return f"{time.perf_counter() - started:.1f} s (CPU {_cpu() - before:.1f} s)"


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())

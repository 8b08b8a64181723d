"""A release of 30,000 packages with 100 changed: seconds and disk, against ``cp -al`` plus ``emaint binhost --fix``.

    python -m bench.releases WORK [--count 30000] [--changed 100] [--runs 3] [--pkgdir DIR] [--no-peer] [--mirror]

WORK must not be there yet; it keeps PKGDIR and the tree. Each run replaces 100 packages by other builds and publishes: timed is
the whole command, from the shell to the switched channel, with the gate `index` (every form, every size, and every byte of
the fresh packages), and a second one without any gate; then a promotion, a rollback, and the removal of old releases. With
``--pkgdir`` the packages are linked from there instead of made; with ``--mirror`` the tree is pushed to a mirror beside it. The
peer does what a script of today does: a linked copy of PKGDIR for the release, then Portage's own index.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import measure, packages
from bench.measure import Command, Figure, table
from tests.testkit import environments, keys
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

FIRST: Final = "first release, nothing indexed before"
PUBLISH: Final = "publish, gate index"
PROMOTE: Final = "promote 100 changes, gate index"
ROLLBACK: Final = "roll back"
PRUNE: Final = "prune: releases removed"
MIRROR: Final = "mirror, all of it"
MIRROR_CHANGES: Final = "mirror, 100 changes"
_OWN: Final = ("Packages", "Packages.gz", "Packages.zst", ".portage-ext.sqlite", ".portage-ext.blocks")


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


@dataclass(frozen=True, slots=True)
class Step:
    """A command and its figures; MiB are those of its largest process."""

    what: str
    figure: Figure


@dataclass(slots=True)
class Played:
    """Releases of one PKGDIR in ``work``, made by the commands that an administrator types."""

    work: Path
    root: Root
    paths: Sequence[Path]
    key: keys.SigningKey
    growth: list[dict[str, int]]
    directories: list[int]

    @classmethod
    def begun(cls, work: Path, count: int, pkgdir: Path | None = None) -> Played:
        """With ``count`` packages, or linked copies of those in ``pkgdir``; nothing is indexed yet."""
        work.mkdir(parents=True, exist_ok=True)
        repository = EbuildRepository.create(work / "repo")
        root = Root.create(work / "host", environments.environment(), [repository], features="binpkg-multi-instance")
        if pkgdir is not None:
            root.pkgdir.rmdir()
            subprocess.run(["cp", "-al", str(pkgdir), str(root.pkgdir)], check=True)
            for name in _OWN:
                (root.pkgdir / name).unlink(missing_ok=True)
        else:
            packages.build(root.pkgdir, count)
        return cls(work, root, sorted(root.pkgdir.glob("*/*/*.gpkg.tar")), keys.new_key(work / "key"), [], [])

    @property
    def tree(self) -> Path:
        return self.work / "tree"

    def steps(self, changed: int, runs: int, *, mirror: bool = False) -> Iterator[Step]:
        """A first release, releases with ``changed`` packages, and all that is done with them afterwards."""
        signing = ("--key", self.key.fingerprint, "--homedir", str(self.key.home))
        publish = ("publish", "--tree", str(self.tree), "--channel", "staging", "--no-prune", *signing, "--gates")
        promote = ("promote", "--tree", str(self.tree), "staging", "production", *signing, "--gates", "index")
        sent = ("mirror", "--tree", str(self.tree), "--to", str(self.work / "mirror"))
        seeds, numbers = iter(range(10_000)), iter(range(1, 10_000))

        def others() -> None:
            change(self.root.pkgdir, list(self.paths), changed, seed=next(seeds))

        def released() -> None:
            others()
            measure.once(self._command(*publish, "none"))

        def promoted() -> None:
            released()
            measure.once(self._command(*promote))

        def abandoned() -> None:
            # As a prune leaves them that was killed after its first step: retention itself keeps what was live lately.
            for _ in range(2):
                number = next(numbers)
                (self.tree / f"releases/{number}").rename(self.tree / f"releases/.gone.{number}")

        yield self._step(FIRST, self._command(*publish, "none"))
        yield self._step(PUBLISH, self._command(*publish, "index", before=others), runs, grows=True)
        yield self._step("publish, no gate", self._command(*publish, "none", before=others), runs, grows=True)
        yield self._step("publish, no difference", self._command(*publish[:-1]))
        measure.once(self._command(*promote))
        yield self._step(PROMOTE, self._command(*promote, before=released), runs)
        yield self._step(
            ROLLBACK, self._command("rollback", "--tree", str(self.tree), "production", *signing, before=promoted), runs
        )
        yield self._step(PRUNE, self._command("prune", "--tree", str(self.tree), before=abandoned), runs)
        if mirror:
            yield self._step(MIRROR, self._command(*sent))
            yield self._step(MIRROR_CHANGES, self._command(*sent, before=released))

    def peer(self, changed: int) -> Iterator[Step]:
        """What a script of today does: a linked copy of PKGDIR, then Portage's own index."""
        change(self.root.pkgdir, list(self.paths), changed, seed=20_000)
        copy = ("cp", "-al", str(self.root.pkgdir), str(self.work / "copy"))
        yield self._step("cp -al of PKGDIR", Command("cp", copy, dict(os.environ)))
        index = Command("emaint", ("emaint", "binhost", "--fix"), self.root.variables())
        yield self._step(f"emaint binhost --fix (Portage {environments.NEWEST})", index)
        shutil.rmtree(self.work / "copy", ignore_errors=True)

    def ended(self) -> None:
        keys.kill_agents(self.key.home)

    def _command(self, *words: str, before: Callable[[], None] = lambda: None) -> Command:
        return Command(words[0], ("portage-ext", *words), self.root.variables(), before)

    def _step(self, what: str, command: Command, runs: int = 1, *, grows: bool = False) -> Step:
        samples = []
        for _ in range(runs):
            before, had = (usage(self.tree), count_directories(self.tree)) if grows else ({}, 0)
            samples.append(measure.once(command))
            if grows:
                after = usage(self.tree)
                self.directories.append(count_directories(self.tree) - had)
                self.growth.append({part: after[part] - before[part] for part in after})
        return Step(what, Figure.of(samples))

    def grew(self) -> str:
        """The bytes that a release added, as the median says, by kind."""
        return ", ".join(
            f"{part} {statistics.median(one[part] for one in self.growth) / 1e6:.1f} MB" for part in self.growth[0]
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path)
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--changed", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--pkgdir", type=Path)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--mirror", action="store_true")
    options = parser.parse_args()
    played = Played.begun(Path(os.path.abspath(options.work)), options.count, options.pkgdir)
    print(f"{len(played.paths)} packages, {options.changed} changed in each run, load {os.getloadavg()[0]:.1f}", flush=True)
    steps: list[Step] = []
    try:
        steps.extend(played.steps(options.changed, options.runs, mirror=options.mirror))
        if not options.no_peer:
            steps.extend(played.peer(options.changed))
    finally:
        played.ended()
        rows = [(one.what, str(one.figure), f"{one.figure.mib:.0f}") for one in steps]
        print(table([("work", "seconds", "MiB"), *rows]), flush=True)
    whole = sum(path.stat().st_size for path in played.paths) / 1e6
    print(f"disk: each release adds {played.grew()}; the packages of a release have {whole:.0f} MB")


if __name__ == "__main__":
    main()

"""Portage's ``emaint binhost --fix`` and ``portage-ext reindex`` side by side on the same packages.

    python -m bench.reindex WORK [--sizes 1000,10000,30000] [--signed 1000,10000,30000] [--runs 5] [--portage-most 600]

WORK keeps the generated packages and every figure (``figures.json``), so that a run can be continued. Figures are medians of
fresh processes; Portage's full runs, which take minutes, run once. A run of Portage that is expected to take longer than
``--portage-most`` seconds is not started: the table then has its time from the next smaller size, scaled by the number of
packages and marked ``~``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import measure, packages, rpms
from bench.measure import Command
from tests.testkit import environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

FULL = environments.NEWEST
INCREMENTAL = "3.0.82.2"
OWN = ("Packages", "Packages.gz", "Packages.zst", ".portage-ext.sqlite")


def clear(pkgdir: Path) -> None:
    for name in OWN:
        (pkgdir / name).unlink(missing_ok=True)


def change(pkgdir: Path, number: int) -> str:
    """Replace one package: new inode and time, same content."""
    paths = sorted(pkgdir.rglob("*.gpkg.tar"))
    path = paths[number * 997 % min(1000, len(paths))]
    other = path.with_name("new")
    shutil.copy(path, other)
    other.rename(path)
    return str(path.relative_to(pkgdir))


class Bench:
    def __init__(self, work: Path, runs: int, portage_most: float) -> None:
        self.work = work
        self.runs = runs
        self.most = portage_most
        self.file = work / "figures.json"
        self.figures: dict[str, Any] = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.roots = {version: self._root(version) for version in (FULL, INCREMENTAL)}

    def _root(self, version: str) -> Root:
        place = self.work / f"root-{version}"
        shutil.rmtree(place, ignore_errors=True)
        repository = EbuildRepository.create(place / "repo")
        home = self.work / "trusted"
        environment = environments.environment(version)
        return Root.create(place / "root", environment, [repository], BINPKG_GPG_VERIFY_GPG_HOME=str(home))

    def pkgdir(self, count: int, *, signed: bool) -> Path:
        from bench.openpgp import Signer

        place = self.work / f"{'signed' if signed else 'plain'}-{count}"
        if not place.is_dir():
            partial = place.with_name("partial")
            shutil.rmtree(partial, ignore_errors=True)
            packages.build(partial, count, signer=Signer.from_home(self.work / "gpg") if signed else None)
            partial.rename(place)
        if signed and not (self.work / "trusted").is_dir():
            self._trust()
        return place

    def _trust(self) -> None:
        gpg = ["gpg", "--batch", "--quiet", "--homedir"]
        home, trusted = str(self.work / "gpg"), self.work / "trusted"
        trusted.mkdir(mode=0o755)
        key = subprocess.run([*gpg, home, "--export"], stdout=subprocess.PIPE, check=True).stdout
        listing = subprocess.run([*gpg, home, "--with-colons", "-k"], stdout=subprocess.PIPE, text=True, check=True).stdout
        owner = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")) + ":6:\n"
        subprocess.run([*gpg, str(trusted), "--import"], input=key, check=True)
        subprocess.run([*gpg, str(trusted), "--import-ownertrust"], input=owner.encode(), check=True)
        subprocess.run([*gpg, str(trusted), "--check-trustdb"], check=True)
        for one in (home, str(trusted)):
            subprocess.run(["gpgconf", "--homedir", one, "--kill", "all"], check=True)

    def once(self, key: str, take: Callable[[], Any]) -> Any:
        if key not in self.figures:
            self.figures[key] = take()
            self.file.write_text(json.dumps(self.figures, indent=1))
            print(key, self.figures[key], file=sys.stderr)
        return self.figures[key]

    def seconds(self, key: str, command: Command, runs: int | None = None) -> float:
        """The median wall time; CPU seconds and the peak memory (MiB, of the largest process) are kept beside it."""

        def take() -> list[float]:
            samples = sorted(measure.once(command) for _ in range(runs or self.runs))
            return [round(value, 3) for value in samples[len(samples) // 2]]

        return float(self.once(key, take)[0])

    def command(self, name: str, version: str, pkgdir: Path, *words: str, before: Callable[[], object]) -> Command:
        environment = self.roots[version].variables() | {"PKGDIR": str(pkgdir)}
        return Command(name, words, environment, lambda: before() and None, (0,))

    def full(self, count: int, *, signed: bool) -> dict[str, float]:
        pkgdir = self.pkgdir(count, signed=signed)
        kind = "signed" if signed else "plain"

        def empty() -> None:
            clear(pkgdir)

        row: dict[str, float] = {}
        row["ours"] = self.seconds(
            f"{kind} {count} full", self.command("ours", FULL, pkgdir, "portage-ext", "reindex", before=empty)
        )
        one = self.command("ours", FULL, pkgdir, "portage-ext", "reindex", "--jobs", "1", before=empty)
        row["ours, 1 process"] = self.seconds(f"{kind} {count} full 1", one)
        home = [str(self.work / "trusted")] if signed else []
        for processes, name in (("1", "floor, 1 process"), ("2", "floor, 2 processes")):
            words = (sys.executable, "-m", "bench.floor", str(pkgdir), str(self.work / "floor"), processes, *home)
            floor = Command("floor", words, dict(os.environ))
            row[name] = self.seconds(f"{kind} {count} floor {processes}", floor, self.runs if count < 10_000 else 1)
        key = f"{kind} {count} Portage"
        known = [name for name in self.figures if name.startswith(kind) and name.endswith(" Portage")]
        expected = max((self.figures[name][0] / int(name.split()[1]) * count for name in known), default=0.0)
        if key in self.figures or expected < self.most:
            portage = self.command("Portage", FULL, pkgdir, "emaint", "binhost", "--fix", before=empty)
            row["Portage"] = self.seconds(key, portage, 1)
        else:
            row["Portage"] = -expected
        return row

    def incremental(self, count: int) -> dict[str, float]:
        pkgdir = self.pkgdir(count, signed=False)
        clear(pkgdir)
        numbers = iter(range(10_000))

        def step() -> None:
            change(pkgdir, next(numbers))

        ours = self.command("ours", INCREMENTAL, pkgdir, "portage-ext", "reindex", before=step)
        measure.once(ours)
        measure.once(ours)
        row = {"ours": self.seconds(f"{count} one change", ours)}
        floor = self.command("nothing changed", INCREMENTAL, pkgdir, "portage-ext", "reindex", before=lambda: None)
        row["ours, no change"] = self.seconds(f"{count} no change", floor)
        portage = self.command("Portage", INCREMENTAL, pkgdir, "emaint", "binhost", "--fix", before=step)
        row["Portage"] = self.seconds(f"{count} one change Portage", portage, 3)
        return row

    def within(self, count: int) -> dict[str, float]:
        """Medians of one living process: every package looked at, and only those named."""
        pkgdir = self.pkgdir(count, signed=False)
        clear(pkgdir)

        def take() -> dict[str, float]:
            script = str(Path(__file__).with_name("within.py"))
            done = self.roots[FULL].run("python3", script, str(pkgdir), str(2 * self.runs)).ok()
            result: dict[str, float] = json.loads(done.stdout)
            return result

        result: dict[str, float] = self.once(f"{count} within a process", take)
        return result

    def memory(self, count: int) -> dict[str, float]:
        """MiB: of ours the peak of the proportional set size of all processes, looked at every 50 ms; of Portage, which is one
        process, the largest resident set of its measured run.
        """
        pkgdir = self.pkgdir(count, signed=False)

        def take() -> float:
            command = self.command("ours", FULL, pkgdir, "portage-ext", "reindex", before=lambda: clear(pkgdir))
            return round(memory_of(command), 1)

        row = {"ours": float(self.once(f"{count} memory ours", take))}
        if f"plain {count} Portage" in self.figures:
            row["Portage"] = float(self.figures[f"plain {count} Portage"][2])
        return row

    def createrepo(self, count: int) -> float | None:
        if not shutil.which("createrepo_c") or not shutil.which("rpmbuild"):
            return None
        place = self.work / f"rpms-{count}"
        if not place.is_dir():
            rpms.build(place, count)
        command = Command("createrepo_c", ("createrepo_c", "--quiet", str(place)), dict(os.environ))
        return self.seconds(f"{count} createrepo_c", command, 3)


@contextmanager
def peak(pid: int) -> Iterator[list[int]]:
    """The highest sum of Pss, in KiB, of ``pid`` and all below it while the block runs."""
    highest, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            total, queue = 0, [pid]
            while queue:
                one = queue.pop()
                try:
                    text = Path(f"/proc/{one}/smaps_rollup").read_text()
                    queue += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
                except OSError:
                    continue
                total += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
            highest[0] = max(highest[0], total)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield highest
    finally:
        stop.set()
        watcher.join()


def memory_of(command: Command) -> float:
    """MiB: the highest sum of Pss of all processes of ``command``."""
    command.before()
    with subprocess.Popen(command.words, env=dict(command.environment), stdout=subprocess.DEVNULL) as process:
        with peak(process.pid) as highest:
            process.wait()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command.words)}: exit status {process.returncode}")
    return highest[0] / 1024


def show(value: float | None) -> str:
    return "-" if value is None else f"~{-value:.0f} s" if value < 0 else f"{value:.2f} s"


def ratio(ours: float, other: float | None) -> str:
    return "-" if other is None else f"{abs(other) / ours:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--sizes", default="1000,10000,30000")
    parser.add_argument("--signed", default="1000,10000,30000")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--portage-most", type=float, default=600.0)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    options.work.chmod(0o755)
    bench = Bench(options.work, options.runs, options.portage_most)
    sizes = [int(size) for size in options.sizes.split(",") if size]
    signed = [int(size) for size in options.signed.split(",") if size]
    rows = [["one package changed", "ours", "no change", "Portage 3.0.82.2", "Portage/ours", "living process", "named"]]
    for count in sizes:
        row = bench.incremental(count)
        within = bench.within(count)
        cells = [show(row["ours"]), show(row["ours, no change"]), show(row["Portage"]), ratio(row["ours"], row["Portage"])]
        rows.append([str(count), *cells, show(within["all"]), show(within["named"])])
    print(measure.table(rows), flush=True)
    rows = [["full reindex", "ours", "1 process", "floor 2", "floor 1", "Portage", "Portage/ours", "ours/floor 2", "1/floor 1"]]
    for kind, counts in ((False, sizes), (True, signed)):
        for count in counts:
            row = bench.full(count, signed=kind)
            ours, one, floor, alone = row["ours"], row["ours, 1 process"], row["floor, 2 processes"], row["floor, 1 process"]
            names = f"{count} {'signed' if kind else 'unsigned'}"
            cells = [show(ours), show(one), show(floor), show(alone), show(row["Portage"])]
            rows.append([names, *cells, ratio(ours, row["Portage"]), f"{ours / floor:.2f}", f"{one / alone:.2f}"])
    print("\n" + measure.table(rows), flush=True)
    rows = [["peak memory, full", "ours", "Portage", "Portage/ours"]]
    for count in sizes[-1:]:
        used = bench.memory(count)
        theirs = used.get("Portage")
        shown = "-" if theirs is None else f"{theirs:.0f} MiB"
        rows.append([str(count), f"{used['ours']:.0f} MiB", shown, ratio(used["ours"], theirs)])
    print("\n" + measure.table(rows))
    rows = [["createrepo_c", "full"]]
    rows += [[f"{count} rpms of 60 KB", show(bench.createrepo(count))] for count in sizes[1:]]
    print("\n" + measure.table(rows))
    print(f"\n{time.strftime('%Y-%m-%d')}, {os.cpu_count()} processors, Portage {FULL} (one change: {INCREMENTAL})")


if __name__ == "__main__":
    main()

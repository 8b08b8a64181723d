"""A full index, and one change, beside Portage, createrepo_c, apt-ftparchive and reprepro."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from bench import debs, measure, reindex, rpms
from bench.measure import Command, Figure, interleaved
from bench.rows.sizes import Bench, absent
from bench.wanted import Want

Found = Mapping[str, Figure]
_PEERS: Final = {
    "createrepo_c": ("createrepo_c", "rpmbuild"),
    "apt-ftparchive": ("apt-ftparchive",),
    "reprepro": ("reprepro",),
}
"""Peers of other distributions, and the programs that they need."""


def full(bench: Bench) -> Iterator[Want]:
    sizes = bench.sizes
    made = reindex.Bench(bench.work / "reindex", sizes.runs, 0)
    for kind, counts in (("unsigned", sizes.counts), ("signed", sizes.signed)):
        known: tuple[int, Figure] | None = None
        for count in counts:
            pkgdir = made.pkgdir(count, signed=kind == "signed")

            def empty(pkgdir: Path = pkgdir) -> None:
                reindex.clear(pkgdir)

            ours = made.command("ours", reindex.FULL, pkgdir, "portage-ext", "reindex", before=empty)
            theirs = made.command("Portage", reindex.FULL, pkgdir, "emaint", "binhost", "--fix", before=empty)
            measure.once(ours)  # the packages are in the page cache now
            scaled = known[1].seconds / known[0] * count if known else 0.0
            if known and scaled > sizes.longest:
                found = interleaved([ours], sizes.runs)
                seconds, beside = scaled, f"Portage ~{scaled:.3g} s, as {known[0]:,} took {known[1].seconds:.3g} s"
            else:
                found = interleaved([ours, replace(theirs, most=sizes.peer)], sizes.runs)
                seconds, beside = found["Portage"].seconds, f"Portage {found['Portage']}"
                known = count, found["Portage"]
            ratio = seconds / found["ours"].seconds
            yield Want(f"full reindex of {count:,} {kind}, Portage by ours", str(found["ours"]), beside, ratio, 30, " times")


def change(bench: Bench) -> Iterator[Want]:
    sizes = bench.sizes
    made = reindex.Bench(bench.work / "reindex", sizes.runs, 0)
    for count in sizes.counts:
        pkgdir = made.pkgdir(count, signed=False)
        others = pkgdir.with_name(f"{pkgdir.name}-portage")
        shutil.rmtree(others, ignore_errors=True)
        try:
            # Two directories, so that neither restores what the other leaves out of the index.
            reindex.clear(pkgdir)
            measure.once(made.command("ours", reindex.FULL, pkgdir, "portage-ext", "reindex", before=lambda: None))
            subprocess.run(["cp", "-al", str(pkgdir), str(others)], check=True)
            for name in ("Packages", "Packages.gz"):
                (others / name).unlink()
                shutil.copy2(pkgdir / name, others / name)
            commands = [
                made.command(
                    name,
                    reindex.INCREMENTAL,
                    place,
                    *words,
                    before=_each(partial(_replace, place)),
                )
                for name, place, words in (
                    ("ours", pkgdir, ("portage-ext", "reindex")),
                    ("Portage", others, ("emaint", "binhost", "--fix")),
                )
            ]
            here = sizes.counts[0] == count
            if here:
                commands += list(_peers_change(bench.work, made.pkgdir(count, signed=False), count))
            found = measure.compare([replace(command, most=sizes.peer) for command in commands], sizes.runs)
        finally:
            shutil.rmtree(others)
        ours, theirs, ratio = str(found["ours"]), f"Portage {reindex.INCREMENTAL} {found['Portage']}", _ratio(found, "Portage")
        yield Want(f"one change among {count:,}, Portage by ours", ours, theirs, ratio, 10, " times")
        if here:
            yield from _compared(found, f"one change among {count:,}")


def peers(bench: Bench) -> Iterator[Want]:
    """A full index by those of other distributions: as many packages, rpms by bytes, .debs of the same sizes."""
    count = bench.sizes.counts[0]
    made = reindex.Bench(bench.work / "reindex", bench.sizes.runs, 0)
    pkgdir = made.pkgdir(count, signed=False)
    ours = made.command("ours", reindex.FULL, pkgdir, "portage-ext", "reindex", before=lambda: reindex.clear(pkgdir))
    commands = [ours]
    rpm_place = bench.work / f"rpms-{count}"
    if not absent(*_PEERS["createrepo_c"]):
        if not rpm_place.is_dir():
            rpms.build(rpm_place, count)
        commands.append(Command("createrepo_c", ("createrepo_c", "--quiet", str(rpm_place)), dict(os.environ)))
    if not all(absent(name) for name in ("apt-ftparchive", "reprepro")):
        made_debs = debs.Peers(bench.work / f"debs-{count}", _bytes_of(pkgdir))
        commands += [
            replace(command, before=made_debs.forget)
            for command in (made_debs.apt(), made_debs.reprepro())
            if not absent(command.name)
        ]
    measure.once(ours)
    found = interleaved([replace(command, most=bench.sizes.peer) for command in commands], bench.sizes.runs)
    yield _by_bytes(found, count, sum(_bytes_of(pkgdir)), rpm_place)
    yield from _compared(found, f"full index of {count:,}")


def _replace(pkgdir: Path, number: int) -> None:
    reindex.change(pkgdir, number)


def _bytes_of(pkgdir: Path) -> list[int]:
    return [path.stat().st_size for path in sorted(pkgdir.rglob("*.gpkg.tar"))]


def _peers_change(work: Path, pkgdir: Path, count: int) -> Iterator[Command]:
    """Each of the peers that are installed, with one package changed; all others are known to it already."""
    place = work / f"rpms-{count}"
    if not absent(*_PEERS["createrepo_c"]):
        if not place.is_dir():
            rpms.build(place, count)
        words = ("createrepo_c", "--quiet", "--update", str(place))
        made = sorted(place.glob("*.rpm"))
        measure.once(Command("createrepo_c", words[:2] + words[3:], dict(os.environ)))
        yield Command("createrepo_c", words, dict(os.environ), _each(lambda number: os.utime(made[number % len(made)])))
    peers = {name for name in ("apt-ftparchive", "reprepro") if not absent(name)}
    if not peers:
        return
    made_debs = debs.Peers(work / f"debs-{count}", _bytes_of(pkgdir))
    made_debs.forget()
    for command, step in ((made_debs.apt(), made_debs.change), (made_debs.reprepro(), made_debs.offer)):
        if command.name in peers:
            measure.once(command)
            yield replace(command, before=_each(step))


def _each(step: Callable[[int], None]) -> Callable[[], None]:
    """``step`` with another number each time."""
    numbers = iter(range(997, 10_000_000, 997))
    return lambda: step(next(numbers))


def _ratio(found: Found, name: str) -> float:
    return found[name].seconds / found["ours"].seconds


def _by_bytes(found: Found, count: int, size: int, rpm_place: Path) -> Want:
    title = f"full index of {count:,}: our CPU by bytes of createrepo_c's"
    ours = str(found["ours"])
    if "createrepo_c" not in found:
        return Want(title, ours, absent(*_PEERS["createrepo_c"]), None, 2.5, " times", most=True)
    theirs = found["createrepo_c"].cpu / sum(path.stat().st_size for path in rpm_place.rglob("*.rpm"))
    return Want(
        title, ours, f"createrepo_c {found['createrepo_c']}", found["ours"].cpu / size / theirs, 2.5, " times", most=True
    )


def _compared(found: Found, what: str) -> Iterator[Want]:
    """Comparisons without a want: by the clock, how many times ours takes."""
    for name, programs in _PEERS.items():
        title, ours = f"{what}, {name} by ours", str(found["ours"])
        if name in found:
            yield Want(title, ours, f"{name} {found[name]}", _ratio(found, name), unit=" times")
        else:
            yield Want(title, ours, absent(*programs), None)

"""The figures of "toolchain first": contracts of 1,000 objects, the plan check over 500 binaries, the guard of one merge.

    python -m bench.contracts [RUNS [contracts] [plan] [guard]]

The plan check and the guard are differences of whole processes: the same emerge with the check and without it.
"""

from __future__ import annotations

import mmap
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import measure
from bench.measure import Command, Figure
from portage_ext.elf.reader import MAGIC, read_object
from portage_ext.elf.system import System
from portage_ext.elf.tree import read_image
from portage_ext.model.contract import KEY, Need, SymbolContract
from tests.testkit import chain, httpd
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

OBJECTS = 1000
BINARIES = 500


def objects_of_this_machine() -> Iterator[Path]:
    """ELF objects below /usr, in a fixed random order, the largest left out so that they fit into a temporary folder."""
    found = []
    for base in ("/usr/bin", "/usr/sbin", "/usr/lib"):
        for parent, _, names in os.walk(base):
            for name in names:
                path = Path(parent, name)
                if not path.is_symlink() and path.is_file() and 64 < path.stat().st_size < 4 << 20:
                    with open(path, "rb") as file:
                        if file.read(4) == MAGIC:
                            found.append(path)
    random.Random(1).shuffle(found)
    yield from found


def image(work: Path) -> Path:
    """An image with OBJECTS objects."""
    target = work / "image"
    count = 0
    paths = list(objects_of_this_machine())
    while count < OBJECTS:
        for path in paths:
            copy = target / f"{count // len(paths)}" / path.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
            count += 1
            if count == OBJECTS:
                break
    return target


def timed(work: Callable[[], object], runs: int) -> float:
    """The median time of ``runs`` runs after a first one, in seconds."""
    taken = []
    for number in range(runs + 1):
        start = time.perf_counter()
        work()
        if number:
            taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def with_elftools(path: Path) -> None:
    """The same facts by pyelftools, for the record of why the reader is our own."""
    from elftools.elf.dynamic import DynamicSection
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection

    with open(path, "rb") as file:
        for section in ELFFile(file).iter_sections():
            if isinstance(section, DynamicSection):
                list(section.iter_tags())
            elif isinstance(section, GNUVerNeedSection | GNUVerDefSection):
                for _, versions in section.iter_versions():
                    list(versions)


def with_reader(path: Path) -> None:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        read_object(data)


def contracts(work: Path, runs: int) -> list[list[str]]:
    target = image(work)
    system = System(Path("/"))
    sample = [path for path in target.rglob("*") if path.is_file()][:100]
    whole = timed(lambda: str(read_image(target).contract(public=system.directories)), runs)
    ours = timed(lambda: [with_reader(path) for path in sample], 3)
    theirs = timed(lambda: [with_elftools(path) for path in sample], 3)
    return [
        [f"contract of an image with {OBJECTS} objects", f"{whole:.3f} s", "under 1 s"],
        ["one object, read by elf/reader", f"{ours * 10:.3f} ms", ""],
        ["one object, read by pyelftools", f"{theirs * 10:.3f} ms", ""],
    ]


def many_binaries(work: Path, pkgdir: Path, binaries: int, entries: int) -> EbuildRepository:
    """An index of ``entries`` packages with contracts of the usual size, each needing what another defines.

    The first ``binaries`` of them have ebuilds.
    """
    repository = EbuildRepository.create(work / "many", "many")
    dice = random.Random(2)
    # Those that every C library of the last years has.
    c_library = [
        f"GLIBC_2.{n}" for n in ("2.5", "3", "3.2", "3.4", "4", "5", "6", "7", "9", "10", "14", "15", "16", "17", "33", "34")
    ]
    blocks = []
    for number in range(entries):
        if number < binaries:
            repository.data(f"app-misc/p{number}-1")
        needs = [
            Need("x86_64", "libc.so.6", frozenset(dice.sample(c_library, 9))),
            Need("x86_64", "libm.so.6", frozenset(["GLIBC_2.29"])),
            *(
                Need("x86_64", f"libp{n}.so.1", frozenset([f"P{n}_1"]))
                for n in sorted(dice.sample(range(number), min(6, number)))
            ),
        ]
        defines = {("x86_64", f"libp{number}.so.1"): frozenset([f"P{number}_1", f"P{number}_2"])}
        blocks.append(
            f"BUILD_ID: 1\nBUILD_TIME: 1700000000\nCPV: app-misc/p{number}-1\nDEFINED_PHASES: install\nEAPI: 8\n"
            f"KEYWORDS: amd64\n"
            f"LICENSE: GPL-2\nMD5: {dice.randbytes(16).hex()}\nMTIME: 1700000000\n"
            f"PATH: app-misc/p{number}/p{number}-1-1.gpkg.tar\n"
            f"PROVIDES: x86_64: libp{number}.so.1\nREPO: many\nREQUIRES: x86_64: libc.so.6\nSHA1: {dice.randbytes(20).hex()}\n"
            f"SIZE: 61440\n{KEY}: {SymbolContract(tuple(needs), defines)}\nUSE: amd64 elibc_glibc kernel_linux\n"
        )
    header = f"ARCH: amd64\nCHOST: x86_64-pc-linux-gnu\nPACKAGES: {entries}\nTIMESTAMP: 1700000000\nVERSION: 0\n\n"
    pkgdir.mkdir()
    (pkgdir / "Packages").write_text(header + "\n".join(blocks) + "\n")
    return repository


def planned(work: Path, runs: int, binaries: int, entries: int) -> dict[str, Figure]:
    """``emerge -pg`` of ``binaries`` packages among ``entries`` in the index: check off, order unchanged, a new order."""
    pkgdir = work / "pkgdir"
    repository = many_binaries(work, pkgdir, binaries, entries)
    environment = chain.environments.environment()
    with httpd.serve(pkgdir) as server:
        root = Root.create(work / "plan", environment, [repository])
        root.etc("binrepos.conf", f"[many]\nsync-uri = {server.url}\nlocation = {work}/cache\nverify-signature = false\n")
        root.run("egencache", "--update", "--repo", "many", "--jobs", "2").ok()
        shuffled = random.Random(3).sample(range(binaries), binaries)
        emerge = [str(environment.bin / "emerge"), "-pgq", *(f"app-misc/p{number}" for number in shuffled)]
        commands = [
            Command(mode, emerge, root.variables() | {"PORTAGE_EXT_TOOLCHAIN": mode}) for mode in ("off", "warn", "enforce")
        ]
        return measure.compare(commands, runs)


def plan(work: Path, runs: int) -> list[list[str]]:
    figures = planned(work, runs, BINARIES, BINARIES)
    off = figures["off"].seconds
    return [
        [f"emerge -pg of {BINARIES} binaries, check off", f"{off:.3f} s", ""],
        ["  the check, order unchanged", f"{figures['warn'].seconds - off:+.3f} s", "under 0.5 s"],
        ["  the check and a new order", f"{figures['enforce'].seconds - off:+.3f} s", ""],
    ]


def guard(work: Path, runs: int) -> list[list[str]]:
    built = chain.built()
    with httpd.serve(built.pkgdir) as server:
        commands = []
        for name in ("with", "without"):
            root = chain.client(work / name, built, server.url, guard=name == "with")
            root.emerge("-1g", "sys-devel/gcc:13").ok()
            words = [str(root.environment.bin / "emerge"), "-1g", "--quiet", "app-misc/cxxtool"]
            commands.append(Command(name, words, root.variables()))
        figures = measure.compare(commands, runs)
    adds = figures["with"].seconds - figures["without"].seconds
    return [
        ["merge of one small binary, without the hooks", f"{figures['without'].seconds:.3f} s", ""],
        [
            "  loader and guard add",
            f"{adds * 1000:+.0f} ms (cpu {1000 * (figures['with'].cpu - figures['without'].cpu):+.0f})",
            "under 150 ms",
        ],
    ]


def main() -> None:
    """Measure and print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    named = {"contracts": contracts, "plan": plan, "guard": guard}
    parts = [named[name] for name in sys.argv[2:]] or list(named.values())
    rows = [["", "measured", "wanted"]]
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        work = Path(name)
        work.chmod(0o755)
        for part in parts:
            rows += part(work, runs)
    print(measure.table(rows))


if __name__ == "__main__":
    main()

"""Deltas of rebuilt packages: the share of the package that a client fetches, and the time to make and to apply one.

    python -m bench.deltas [OLD.gpkg.tar NEW.gpkg.tar]

Without arguments, the packages have ELF objects of this machine; one in fifty is changed in a few bytes, as by a rebuild.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.contracts import objects_of_this_machine
from portage_ext.gpkg import zstd
from portage_ext.gpkg.container import read_container
from portage_ext.gpkg.delta import apply, make, unpacked
from portage_ext.gpkg.source import Source, open_package
from portage_ext.model.delta import Compressor
from portage_ext.words import size
from tests.testkit import binpkgs

SIZES = (1 << 20, 10 << 20, 100 << 20)
"""Bytes of the files of each package."""


def written(path: Path, files: dict[str, bytes]) -> Path:
    """A package with these files, whose image the program zstd has compressed, as Portage does it."""
    metadata = binpkgs.COMPRESS["zstd"][1](binpkgs.tar_of({f"metadata/{k}": v for k, v in binpkgs.metadata().items()}))
    image = subprocess.run(["zstd", "-q", "-c", "-T1"], input=binpkgs.tar_of(files), capture_output=True, check=True).stdout
    members = {"gpkg-1": b"", "metadata.tar.zst": metadata, "image.tar.zst": image}
    members["Manifest"] = "".join(binpkgs.record(name, data) for name, data in members.items()).encode()
    path.write_bytes(binpkgs.tar_of({f"foo-1/{name}": data for name, data in members.items()}))
    return path


def rebuilt(work: Path, total: int) -> tuple[Path, Path]:
    """A package with ``total`` bytes of files, and its rebuild."""
    files: dict[str, bytes] = {}
    for path in objects_of_this_machine():
        if sum(map(len, files.values())) >= total:
            break
        files[f"image/usr/lib/{len(files)}"] = path.read_bytes()
    old, chance = written(work / "old", files), random.Random(2)
    for number, (name, data) in enumerate(list(files.items())):
        if number % 50 == 0:
            at = chance.randrange(len(data))
            files[name] = data[:at] + chance.randbytes(20) + data[at + 20 :]
    return old, written(work / "new", files)


def measured(old: Path, new: Path, work: Path) -> None:
    opened = [open_package(one) for one in (old, new)]
    before, after = (Source(fd, str(fd)) for fd in opened)
    with (work / "patch").open("w+b") as patch:
        begun = time.perf_counter()
        delta = make(before, after, [Compressor(zstd.version("bench"))], patch, work)
        made = time.perf_counter() - begun
        patch.seek(0)
        begun = time.perf_counter()
        with unpacked(before, read_container(before), delta.base_image, work) as base, (work / "out").open("wb") as out:
            apply("bench", base, patch, delta, out.fileno())
        applied = time.perf_counter() - begun
    assert (work / "out").read_bytes() == new.read_bytes()
    for fd in opened:
        os.close(fd)
    sizes = f"{size(delta.image)} | {size(delta.result_size)} | {size(delta.size)}"
    share = 100 * delta.size / delta.result_size
    print(f"| {sizes} | {share:.2f} % | {made:.2f} s | {applied:.2f} s |")


def main(arguments: list[str]) -> None:
    print("| image | package | delta | share | made, with both checks | applied |\n|---|---|---|---|---|---|")
    if arguments:
        with tempfile.TemporaryDirectory() as name:
            measured(Path(arguments[0]), Path(arguments[1]), Path(name))
        return
    for total in SIZES:
        with tempfile.TemporaryDirectory() as name:
            measured(*rebuilt(Path(name), total), Path(name))


if __name__ == "__main__":
    main(sys.argv[1:])

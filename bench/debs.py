"""Makes .deb files of given sizes, and the commands by which apt-ftparchive and reprepro index them.

The files are those of dpkg-deb: ar archives of three members, here with an image that is not compressed.
usage: python -m bench.debs DIRECTORY COUNT
"""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import sys
import tarfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from bench.measure import Command

_POOL: Final = random.Random(1).randbytes(4 << 20)
_APT: Final = """
Dir {{ ArchiveDir "{place}"; CacheDir "{place}/cache"; }};
Default {{ Packages::Compress ". gzip"; }};
BinDirectory "debs" {{ Packages "Packages"; BinCacheDB "packages.db"; }};
"""
_REPREPRO: Final = "Codename: stable\nComponents: main\nArchitectures: amd64\nDescription: as many packages of the same sizes\n"


def _tar(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.size, info.mtime = len(data), 1_700_000_000
        archive.addfile(info, io.BytesIO(data))
    # A tar ends with two empty blocks; tarfile fills up to twenty.
    return out.getvalue()[: 512 + -(-len(data) // 512) * 512 + 1024]


def deb(number: int, version: int, size: int) -> bytes:
    """The bytes of package ``number``: ``size``, give or take half a block of tar."""
    control = (
        f"Package: p{number}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Bench <bench@example.invalid>\n"
        f"Installed-Size: {size >> 10}\nDepends: p{number // 4} (>= 1), p{number // 7} | p{number // 9}\n"
        f"Section: misc\nPriority: optional\nHomepage: https://example.org/p{number}\nDescription: package {number}\n a text\n"
    )
    packed = gzip.compress(_tar("./control", control.encode()), 1, mtime=0)
    start = (number + version) * 7919 % (len(_POOL) // 2)
    # The heads of the archive and of its members, and the three blocks of the inner tar.
    length = max(1, round((size - len(packed) - 192 - 1536) / 512)) * 512
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": packed,
        "data.tar": _tar(f"./usr/share/p{number}", _POOL[start : start + length]),
    }
    out = bytearray(b"!<arch>\n")
    for name, data in members.items():
        out += (
            f"{name:<16}{1_700_000_000:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
        )
    return bytes(out)


def build(directory: Path, sizes: Sequence[int]) -> None:
    """A package of each of ``sizes``, a hundred in a folder."""
    for number, size in enumerate(sizes):
        folder = directory / f"{number // 100}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"p{number}_1.deb").write_bytes(deb(number, 1, size))


class Peers:
    """apt-ftparchive and reprepro over the packages in ``place/debs``."""

    def __init__(self, place: Path, sizes: Sequence[int]) -> None:
        self.place = place
        self.sizes = sizes
        self.version = int(time.time())
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            build(place / "debs", sizes)
            (place / "complete").touch()
        (place / "conf").mkdir(exist_ok=True)
        (place / "apt.conf").write_text(_APT.format(place=place))
        (place / "conf/distributions").write_text(_REPREPRO)

    def forget(self) -> None:
        """Remove what both have made; all packages are to be included."""
        for name in ("cache", "db", "dists", "pool"):
            shutil.rmtree(self.place / name, ignore_errors=True)
        for name in ("Packages", "Packages.gz"):
            (self.place / name).unlink(missing_ok=True)
        (self.place / "cache").mkdir()
        self._include(sorted((self.place / "debs").glob("*/*.deb")))

    def change(self, number: int) -> None:
        """Replace a package by the next version of it, for apt-ftparchive, which takes a file of a known name as known."""
        number %= len(self.sizes)
        folder = self.place / f"debs/{number // 100}"
        old = list(folder.glob(f"p{number}_*.deb"))
        (folder / f"p{number}_{self.version + 1}.deb").write_bytes(self._next(number))
        for path in old:
            path.unlink()

    def offer(self, number: int) -> None:
        """The next version of a package is to be included by reprepro."""
        path = self.place / "offered.deb"
        path.write_bytes(self._next(number))
        self._include([path])

    def apt(self) -> Command:
        """An index of all packages; what its cache knows is not read again."""
        return Command(
            "apt-ftparchive", ("apt-ftparchive", "--quiet", "generate", str(self.place / "apt.conf")), dict(os.environ)
        )

    def reprepro(self) -> Command:
        """Include what is to be included."""
        # All names are too long for a command line of the usual size.
        script = 'cd "$1" && exec xargs -a names -x -s 1900000 reprepro --silent --basedir . includedeb stable'
        return Command("reprepro", ("sh", "-c", script, "sh", str(self.place)), dict(os.environ))

    def _next(self, number: int) -> bytes:
        self.version += 1
        return deb(number % len(self.sizes), self.version, self.sizes[number % len(self.sizes)])

    def _include(self, paths: Iterable[Path]) -> None:
        (self.place / "names").write_text("".join(f"{path.relative_to(self.place)}\n" for path in paths))


if __name__ == "__main__":
    build(Path(sys.argv[1]), [61_440] * int(sys.argv[2]))

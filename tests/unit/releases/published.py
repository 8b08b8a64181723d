"""A PKGDIR written byte by byte with its index, and a tree to publish it in: what tests of the publisher start from."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from portage_ext.model.release import IndexFile
from portage_ext.records import replace
from portage_ext.releases.gates import Gate
from portage_ext.releases.made import Pages, Published, Source, Terms
from portage_ext.releases.publish import Publisher
from portage_ext.releases.tree import Tree
from portage_ext.trust import release
from tests.testkit import binpkgs

SIGNATURE = b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"


@dataclass(slots=True)
class Pkgdir:
    """Packages by CPV and build id; ``write`` puts the index beside them, as `portage-ext reindex` would."""

    path: Path
    packages: dict[str, dict[str, str]] = field(default_factory=dict)
    timestamp: int = 1_700_000_000

    def add(self, cpv: str, build: int = 1, image: bytes = b"", **metadata: str) -> str:
        """Write a package; returns its PATH."""
        category, pf = cpv.split("/")
        pn = pf.rsplit("-", 1)[0]
        relative = f"{category}/{pn}/{pf}-{build}.gpkg.tar"
        values = binpkgs.metadata(cpv, BUILD_ID=str(build), **metadata)
        data = binpkgs.gpkg(values, image=image or f"{cpv} {build}".encode())
        partial = binpkgs.put(self.path, f"{relative}.partial", data)
        os.utime(partial, (1_700_000_000 + build, 1_700_000_000 + build))
        partial.rename(self.path / relative)
        entry = {"CPV": cpv, "BUILD_ID": str(build), "BUILD_TIME": "1700000000", "SIZE": str(len(data)), **metadata}
        entry |= {"MTIME": str(1_700_000_000 + build), "PATH": relative, "KEYWORDS": "amd64", "REPO": "tiny"}
        entry |= {"BLAKE2B": hashlib.blake2b(data).hexdigest(), "SHA512": hashlib.sha512(data).hexdigest()}
        self.packages[relative] = entry
        return relative

    def remove(self, relative: str) -> None:
        (self.path / relative).unlink()
        del self.packages[relative]

    def write(self) -> None:
        """Write every form of the index, each by a rename."""
        self.timestamp += 1
        text = f"PACKAGES: {len(self.packages)}\nTIMESTAMP: {self.timestamp}\nVERSION: 0\n\n"
        for entry in sorted(self.packages.values(), key=lambda one: one["CPV"]):
            text += "".join(f"{key}: {entry[key]}\n" for key in sorted(entry) if entry[key]) + "\n"
        data = text.encode()
        for name, form in (
            ("Packages", data),
            ("Packages.gz", gzip.compress(data)),
            ("Packages.zst", zstandard.ZstdCompressor().compress(data)),
        ):
            (self.path / f"{name}.partial").write_bytes(form)
            (self.path / f"{name}.partial").rename(self.path / name)


class Clock:
    """A clock that moves when it is told to; seconds since 1970."""

    def __init__(self, now: int = 1_800_000_000) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Site:
    """A PKGDIR, the tree it is published in, and a publisher whose signer makes a mark instead of a signature: what a
    signature is worth is for the tests of trust/, which run gpg."""

    pkgdir: Pkgdir
    tree: Tree
    clock: Clock
    publisher: Publisher

    def publish(self, channel: str = "production", gates: Sequence[Gate] = ()) -> Published:
        self.pkgdir.write()
        self.clock.now += 1
        return self.publisher.publish(channel, self.source(), gates)

    def publish_within_a_second(self, cpv: str, nanosecond: int) -> None:
        """Publish ``cpv`` with other bytes than the last time, but of the same size and from the same second."""
        path = self.pkgdir.path / self.pkgdir.add(cpv, image=f"{nanosecond:9}".encode())
        os.utime(path, ns=(0, path.stat().st_mtime_ns + nanosecond))
        self.publish()

    def give_root(self) -> None:
        """Put something in the place of roots: who serves and carries them does not look into them."""
        for name in ("1", "1.asc", "keys/KEY.asc"):
            binpkgs.put(self.tree.root, f"root/{name}", name.encode())
        for number in self.tree.numbers():
            self.tree.link_root(self.tree.directory(number))

    def source(self) -> Source:
        return Source(self.pkgdir.path, "published")

    def served(self, channel: str = "production") -> Path:
        return self.tree.root / channel

    def name(self, path: str) -> str:
        """The name in the pool of the package that now is at ``path`` of PKGDIR."""
        digest = hashlib.blake2b((self.pkgdir.path / path).read_bytes()).hexdigest()
        return f"{path.rpartition('-')[0]}-{10**19 + int(digest[:16], 16)}.gpkg.tar"


def site(
    work: Path,
    *,
    grace: int = 3600,
    detach: Callable[[bytes], bytes] = lambda data: SIGNATURE,
    pages: Pages | None = None,
) -> Site:
    """An empty PKGDIR and a tree below ``work``."""
    (work / "binpkgs").mkdir()
    clock, tree = Clock(), Tree(work / "tree")
    publisher = Publisher(tree, detach, Terms(86400 * 30, grace), clock=clock, pages=pages)
    return Site(Pkgdir(work / "binpkgs"), tree, clock, publisher)


def sealed_again(directory: Path, **changes: object) -> None:
    """Make the Release in ``directory`` name the Packages there, as somebody does who cannot sign it; and other ``changes``."""
    place = directory / "Release"
    old, data = release.parse(place.read_bytes()), (directory / "Packages").read_bytes()
    digests = hashlib.blake2b(data).hexdigest(), hashlib.sha512(data).hexdigest()
    files = tuple(IndexFile(one.name, len(data), *digests) if one.name == "Packages" else one for one in old.files)
    place.write_bytes(release.emit(replace(old, files=files, **changes)))


def snapshot(directory: Path) -> Mapping[str, bytes]:
    """Every file below ``directory``, and every package that its index names, with its bytes: what must not change."""
    found = {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}
    listed = re.findall(r"^PATH: (.*)$", found.get("Packages", b"").decode(), re.M)
    return found | {path: (directory / path).read_bytes() for path in listed}

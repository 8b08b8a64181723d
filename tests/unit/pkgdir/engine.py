"""The engine over a folder, without Portage: the tables of 3.0.83 as values, a lock that is only a counter.

The real tables, the real lock and Portage's own reader are used in the tests that run inside a root.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from portage_ext.index.format import IndexFormat
from portage_ext.index.text import parse_index
from portage_ext.model import IndexEntry
from portage_ext.pkgdir.reindex import Reindexer, Report, Repository
from portage_ext.pkgdir.signatures import SignaturePolicy

DEPEND = ("BDEPEND", "DEPEND", "IDEPEND", "LICENSE", "RDEPEND", "PDEPEND", "PROPERTIES", "RESTRICT")
PLAIN = ("BUILD_ID", "BUILD_TIME", "CHOST", "DEFINED_PHASES", "EAPI", "IUSE", "KEYWORDS", "PROVIDES", "REQUIRES", "SLOT", "USE")
FORMAT = IndexFormat(
    metadata_keys=frozenset((*DEPEND, *PLAIN, "repository", "USER_PATCHES")),
    evaluated_keys=DEPEND,
    hashes=("MD5", "SHA1"),
    defaults={"EAPI": "0", "SLOT": "0"},
    inherited=("CHOST", "repository"),
    translated={"_mtime_": "MTIME", "repository": "REPO", "DESCRIPTION": "DESC"},
)


def evaluate(key: str, value: str, use: frozenset[str]) -> str:
    """Stands for Portage's evaluation (tests/system/index/test_depend.py has the real one)."""
    if value == "broken":
        raise ValueError("a broken dependency")
    return value


@dataclass(slots=True)
class Engine:
    """A PKGDIR and the pieces around its index. ``now`` is the clock."""

    pkgdir: Path
    repository: Repository
    locked: list[Path] = field(default_factory=list)
    now: float = 1_700_000_000.0

    @classmethod
    def create(cls, path: Path, *, policy: SignaturePolicy | None = None, compress: bool = True) -> Engine:
        pkgdir = path / "binpkgs"
        pkgdir.mkdir(exist_ok=True)
        engine: Engine

        @contextlib.contextmanager
        def lock(place: Path) -> Iterator[None]:
            engine.locked.append(place)
            yield

        header = {"CHOST": "x86_64-pc-linux-gnu", "VERSION": "0", "repository": ""}
        repository = Repository(
            pkgdir, FORMAT, header, compress, policy or SignaturePolicy(), "test", lock, evaluate, lambda: engine.now
        )
        engine = cls(pkgdir, repository)
        return engine

    def run(self, *, force: bool = False, verify: bool = False, jobs: int = 1, withheld: Collection[str] = ()) -> Report:
        """A run as a new process would make it."""
        return Reindexer(self.repository, jobs).run(force=force, verify=verify, withheld=withheld)

    def header(self) -> dict[str, str]:
        with (self.pkgdir / "Packages").open("rb") as file:
            return parse_index(file)[0]

    def entries(self) -> list[IndexEntry]:
        with (self.pkgdir / "Packages").open("rb") as file:
            return list(parse_index(file)[1])

    def paths(self) -> list[str]:
        return [entry.path for entry in self.entries()]

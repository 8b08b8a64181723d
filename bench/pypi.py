"""A repository of so many projects from a Python index on loopback: the first `emaint sync`, and one that finds nothing new.

    python -m bench.pypi [DIR] [--projects 200] [--runs 3] [--mixed]

DIR is an index on disk, with pages as simple/NAME/index.html and the files that they link to, such as somebody has cached;
all of its projects are listed. --mixed makes one like PyPI instead of projects that all work: the real projects that the tests
have frozen, what these need, and so many generated ones in the shares that were measured over 881 real projects (26 % native
code, 7 % without a licence that has a name). It tells how many became ebuilds, and why others did not. Who needs whom is drawn
by lot there.

What the index itself takes is measured by fetching the same pages by themselves, and told beside it. CPU time is that of the
sync and of all that it starts, without the index.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from portage_ext.repositories import record
from portage_ext.repositories.pypi.index import Index
from tests.testkit import environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.pypi import PythonIndex
from tests.testkit.roots import Root

RELEASES = 30
_SERVER = """
import sys
from pathlib import Path
from tests.testkit import httpd
with httpd.serve(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


def fill(index: PythonIndex, count: int) -> None:
    """Projects of which each needs the next, with so many releases each; only the newest has files that are there."""
    for number in range(count):
        name = f"project{number}x"
        needs = (f"project{number + 1}x>=1",) if number + 1 < count else ()
        index.pages[name] = []
        index.release(name, f"1.{RELEASES}", requires=needs)
        newest = list(index.pages[name])
        for minor in range(RELEASES):
            for one in newest:
                renamed = one["filename"].replace(f"1.{RELEASES}", f"1.{minor}")
                index.pages[name].append({**one, "filename": renamed, "url": f"../../files/{renamed}"})
    index.write()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", nargs="?", type=Path, metavar="DIR")
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        work = Path(name)
        work.chmod(0o755)
        index = PythonIndex(options.directory or work / "index")
        if options.directory is None:
            (mix if options.mixed else fill)(index, options.projects)
        names = sorted(one.name for one in (index.location / "simple").iterdir())
        with _served(index.location) as url:
            root = _root(work, url, names)
            first = _timed(lambda: _sync(root, work))
            print(f"first sync of {len(names)} projects: {_words([first])}", flush=True)
            _tell(work / "made", len(names))
            files = [one for one in (work / "made").rglob("*") if one.is_file()]
            print(f"{len(files)} files, {sum(one.stat().st_size for one in files) / len(names):.0f} bytes a project")
            again, alone = [], []
            for _ in range(options.runs):
                before = (work / "made").stat().st_ino
                again.append(_timed(lambda: _sync(root, work)))
                assert (work / "made").stat().st_ino == before
                alone.append(_timed(lambda: _pages(url, names)))
            print(f"nothing new: {_words(again)}, of which the pages alone {_words(alone)}")


def mix(index: PythonIndex, count: int) -> None:
    """An index like PyPI, as far as is known: frozen real projects, what they need, and generated ones up to ``count``."""
    chance = random.Random(1)
    real = json.loads((Path(__file__).parents[1] / "tests/unit/repositories/pypi/real_projects.json").read_text())
    needed: dict[str, SpecifierSet] = {}
    for name, one in real.items():
        fields = [
            field
            for field in one["fields"]
            if not field.startswith(("Metadata-Version:", "Name:", "Version:", "Requires-Dist:"))
        ]
        requires = [field.partition(": ")[2] for field in one["fields"] if field.startswith("Requires-Dist:")]
        version = next(field.partition(": ")[2] for field in one["fields"] if field.startswith("Version:"))
        native = name in _NATIVE
        wheel = "cp312-cp312-manylinux_2_17_x86_64" if native else "py3-none-any"
        index.release(name, version, requires=tuple(requires), fields=tuple(fields), wheel=wheel)
        for wanted in map(Requirement, (text for text in requires if "extra ==" not in text)):
            project = canonicalize_name(wanted.name)
            needed[project] = needed.get(project, SpecifierSet()) & wanted.specifier
    for name in sorted(needed.keys() - index.pages.keys()):
        index.release(name, _fitting(needed[name]))
    names = list(index.pages)
    while len(index.pages) < count:
        name = f"generated{len(index.pages)}x"
        licence = "License: proprietary" if chance.random() < 0.07 else "License-Expression: MIT"
        wheel = "cp312-cp312-manylinux_2_17_x86_64" if chance.random() < 0.26 else "py3-none-any"
        # The mean closure over an overlay's packages is small; most have one to five needs.
        some = tuple(chance.sample(names, chance.randint(0, 4)))
        index.release(name, "1.0", requires=some, fields=("Requires-Python: >=3.9", licence, "Summary: A project"), wheel=wheel)
        names.append(name)


def _fitting(specifiers: SpecifierSet) -> str:
    """A version that all admit who need the project."""
    named = sorted({Version(one.version.removesuffix(".*")) for one in specifiers if one.operator != "!="}, reverse=True)
    more = [Version(f"{one.major}.{one.minor + 1}") for one in named]
    return str(next((one for one in (*named, *more, Version("1.0")) if specifiers.contains(one)), "1.0"))


_NATIVE = frozenset({"cffi", "cryptography", "libcst", "librt", "mypy", "pydantic-core", "scipy"})


def _tell(location: Path, count: int) -> None:
    """How many projects became ebuilds, and why others did not."""
    said = record.load(location)
    assert said is not None
    reasons: Counter[str] = Counter()
    for one in said.remarks:
        found = next((word for word, text in _REASONS.items() if text in one.why), one.why[:40])
        reasons[found] += 1
    told = ", ".join(f"{number} {word}" for word, number in reasons.most_common())
    print(f"{len(said.items)} of {count} became ebuilds ({len(said.items) / count:.0%}); refused: {told or 'none'}")


_REASONS = {
    "need one of these": "it needs ", "native code": "native code", "no licence": "licence", "cargo": "cargo",
    "no version that all who need it admit": "no version of it is",
}  # fmt: skip


@contextlib.contextmanager
def _served(directory: Path) -> Iterator[str]:
    """The index, in a process of its own."""
    command = [sys.executable, "-c", _SERVER, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield f"{server.stdout.readline().strip()}/simple/"
        server.stdin.close()


def _root(work: Path, url: str, names: Sequence[str]) -> Root:
    """A system with a repository of all projects."""
    root = Root.create(work / "root", environments.environment(), [EbuildRepository.create(work / "tiny")])
    conf = root.path / "etc/portage/repos.conf"
    conf.write_text(conf.read_text() + f"\n[made]\nlocation = {work}/made\nsync-type = pypi\nsync-uri = {url}\n")
    directory = root.path / "etc/overlayman/pypi"
    directory.mkdir(parents=True)
    (directory / "packages").write_text("\n".join(names) + "\n")
    return root


def _sync(root: Root, work: Path) -> None:
    root.run("emaint", "sync", "-r", "made").ok()
    assert (work / "made/metadata/pypi.lock").exists()


def _pages(url: str, names: Sequence[str]) -> None:
    asked = Index(url)
    for one in names:
        asked.releases(one)
    asked.close()


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    started, before = time.monotonic(), _cpu()
    work()
    return time.monotonic() - started, _cpu() - before


def _cpu() -> float:
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(one.ru_utime + one.ru_stime for one in map(resource.getrusage, kinds))


def _words(found: Sequence[tuple[float, float]]) -> str:
    wall, cpu = (statistics.median(one) for one in zip(*found, strict=True))
    return f"{wall:.1f} s (CPU {cpu:.1f} s)"


if __name__ == "__main__":
    main()

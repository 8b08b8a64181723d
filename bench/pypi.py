"""A repository of so many projects from a Python index on loopback: the first `emaint sync`, and one that finds nothing new.

    python -m bench.pypi [--projects 200] [--runs 3]

What the index itself takes is measured by fetching the same pages by themselves, and told beside it. CPU time is that of the
sync and of all that it starts, without the index.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

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
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        work = Path(name)
        work.chmod(0o755)
        index = PythonIndex(work / "index")
        fill(index, options.projects)
        names = list(index.pages)
        with _served(work / "index") as url:
            root = _root(work, url, names)
            first = _timed(lambda: _sync(root, work))
            print(f"first sync of {options.projects} projects: {_words([first])}", flush=True)
            files = [one for one in (work / "made").rglob("*") if one.is_file()]
            print(f"{len(files)} files, {sum(one.stat().st_size for one in files) / len(names):.0f} bytes a project")
            again, alone = [], []
            for _ in range(options.runs):
                before = (work / "made").stat().st_ino
                again.append(_timed(lambda: _sync(root, work)))
                assert (work / "made").stat().st_ino == before
                alone.append(_timed(lambda: _pages(url, names)))
            print(f"nothing new: {_words(again)}, of which the pages alone {_words(alone)}")


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

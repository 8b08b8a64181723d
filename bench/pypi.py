"""A repository of so many projects from a Python index on loopback: the first sync, and one that finds nothing new.

    python -m bench.pypi [--projects 200] [--runs 3]

What the index itself takes is measured by fetching the same pages by themselves, and told beside it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from portage_ext.repositories import swap
from portage_ext.repositories.pypi.index import Index
from portage_ext.repositories.pypi.sync import Job
from portage_ext.repositories.pypi.update import update
from tests.testkit import httpd
from tests.testkit.pypi import PythonIndex

RELEASES = 30


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
        index = PythonIndex(work / "index")
        fill(index, options.projects)
        names = list(index.pages)
        (work / "packages").write_text("\n".join(names) + "\n")
        with httpd.serve(work / "index") as server:
            job = Job("made", str(work / "made"), f"{server.url}/simple/", str(work), "gentoo", {}, "~amd64")
            started = time.monotonic()
            assert swap.replace(work / "made", update(job))
            print(f"first sync of {options.projects} projects: {time.monotonic() - started:.1f} s", flush=True)
            files = [one for one in (work / "made").rglob("*") if one.is_file()]
            print(f"{len(files)} files, {sum(one.stat().st_size for one in files) / len(names):.0f} bytes a project")
            again, alone = [], []
            for _ in range(options.runs):
                started = time.monotonic()
                assert not swap.replace(work / "made", update(job))
                again.append(time.monotonic() - started)
                asked = Index(f"{server.url}/simple/")
                started = time.monotonic()
                for one in names:
                    asked.releases(one)
                alone.append(time.monotonic() - started)
                asked.close()
            print(f"nothing new: {statistics.median(again):.1f} s, of which the pages alone {statistics.median(alone):.1f} s")


if __name__ == "__main__":
    main()

"""Runs inside a root: how long one living process takes after a change. usage: within.py PKGDIR RUNS"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path

from portage_ext.host.pkgdir import pkgdir_settings, repository_of
from portage_ext.pkgdir.reindex import Reindexer


def main() -> None:
    pkgdir, runs = Path(sys.argv[1]), int(sys.argv[2])
    settings = pkgdir_settings(pkgdir)
    repository = repository_of(settings)
    reindexer = Reindexer(repository, 2)
    reindexer.run()
    time.sleep(4)  # directories must have settled to be trusted
    reindexer.run()
    paths = sorted(str(path.relative_to(pkgdir)) for path in pkgdir.rglob("*.gpkg.tar"))
    taken: dict[str, list[float]] = {"all": [], "named": []}
    for number in range(runs):
        path = paths[number * 997 % len(paths)]
        kind = "named" if number % 2 else "all"
        os.utime(pkgdir / path)
        started = time.perf_counter()
        report = reindexer.run(only=[path] if kind == "named" else None)
        taken[kind].append(time.perf_counter() - started)
        assert report.changed == (path,)
        assert report.written
    print(json.dumps({kind: statistics.median(values) for kind, values in taken.items()}))


if __name__ == "__main__":
    main()

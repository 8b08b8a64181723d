"""Small packages that one emerge fetches over HTTP: what each costs with `portage-ext fetch`, and with wget.

    python -m bench.fetches [COUNT] [RUNS]

Whole runs of ``emerge --fetchonly``, in turn. The fetchcommand `portage-ext fetch` runs in a fork of emerge; with a path before
it, it is a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.measure import Command, Figure, compare, table
from bench.nginx import nginx
from portage_ext.config import binrepos
from portage_ext.trust import manage
from portage_ext.trust.keyrings import TrustDirectory
from tests.testkit import binpkgs, ebuilds, environments, keys
from tests.testkit.roots import Root

WGET: Final = "wget"
FORKED: Final = "in a fork"
PROCESS: Final = "a process each"
_REPO: Final = "lab"
_IMAGE: Final = 60_000


def main() -> None:
    """Measure and print the table."""
    given = [int(word) for word in sys.argv[1:]]
    count, runs = (*given, *(300, 3)[len(given) :])
    with tempfile.TemporaryDirectory(prefix="pe-", ignore_cleanup_errors=True) as name:
        work = Path(name)
        work.chmod(0o755)
        with commands(work, count) as measured:
            print(table(rows(compare(measured, runs), count)))


def rows(found: dict[str, Figure], count: int) -> list[tuple[str, ...]]:
    """The figures of each command, and what a package costs beside wget."""
    made: list[tuple[str, ...]] = [("emerge fetches", "wall s", "CPU s", "peak MiB", "above wget, ms each", "CPU")]
    beside = found[WGET]
    for name, figure in found.items():
        above = [
            (mine - theirs) * 1000 / count for mine, theirs in ((figure.seconds, beside.seconds), (figure.cpu, beside.cpu))
        ]
        told = [f"{figure.seconds:.2f}", f"{figure.cpu:.2f}", f"{figure.mib:.0f}", *(f"{value:+.1f}" for value in above)]
        made.append((f"{count} small packages, {name}", *told))
    return made


@contextmanager
def commands(work: Path, count: int) -> Iterator[list[Command]]:
    """An emerge that fetches ``count`` packages with each fetchcommand, while a server has them."""
    key = keys.new_key(work / "key")
    try:
        repository = ebuilds.standard(work / "repo")
        host = Root.create(work / "host", environments.environment(), [repository])
        names = [f"app-misc/small{number}" for number in range(count)]
        for name in names:
            values = binpkgs.metadata(f"{name}-1", BUILD_ID="1")
            binpkgs.put(host.pkgdir, f"{name}/{name[9:]}-1-1.gpkg.tar", binpkgs.gpkg(values, image=os.urandom(_IMAGE)))
        host.run("portage-ext", "reindex").ok()
        host.run("portage-ext", "release", "sign", "--key", key.fingerprint, "--homedir", str(key.home)).ok()
        with nginx(work, host.pkgdir) as url:
            made = []
            for place, name in enumerate((WGET, FORKED, PROCESS)):
                root = Root.create(work / f"client{place}", environments.environment(), [repository], features="getbinpkg")
                section = f"[{_REPO}]\nsync-uri = {url}\nverify-signature = false\nlocation = {root.path}/var/cache/binhost\n"
                if name != WGET:
                    trusted = TrustDirectory(root.path)
                    manage.add(trusted, root.path / "etc/portage/gnupg", _REPO, key.fingerprint, key.public(), "the bench")
                    lines = "".join(f"{binrepos.command_line(_REPO, resume=resume)}\n" for resume in (False, True))
                    program = root.environment.bin / "portage-ext"
                    section += lines if name == FORKED else lines.replace("portage-ext", str(program), 2)
                root.etc("binrepos.conf", section)
                words = (str(root.environment.bin / "emerge"), "--getbinpkgonly", "--fetchonly", "--nodeps", "--quiet", *names)
                made.append(Command(name, words, root.variables(), root.forget_downloads))
            yield made
    finally:
        keys.kill_agents(key.home)
        subprocess.run(["rm", "-rf", str(work / "host")], check=False)


if __name__ == "__main__":
    main()

"""Every system call of a publish that changes a file, found by strace, and a run that ends, or fails, at one of them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from portage_ext.index.expand import expand
from portage_ext.model.release import IndexFile
from portage_ext.releases import contents
from portage_ext.releases.contents import Contents
from portage_ext.releases.pool.files import names_of
from portage_ext.releases.pool.names import named
from portage_ext.releases.tree import Tree
from tests.system.crash.driver import NOW
from tests.unit.releases.published import site

CHANGING = (
    "chmod", "fchmod", "fchown", "fsync", "ftruncate", "ioctl", "link", "linkat", "mkdir", "open", "openat", "rename",
    "renameat", "renameat2", "rmdir", "symlink", "symlinkat", "syncfs", "truncate", "unlink", "unlinkat", "utimensat",
    "write",
)  # fmt: skip
_CALL = re.compile(r"(?:\[pid +\d+\] |\d+ +)?(?P<name>\w+)\((?P<rest>.*)")
CHECKOUT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Point:
    """The ``nth`` call of ``name`` (from 1), and what it was about."""

    name: str
    nth: int
    what: str

    def __str__(self) -> str:
        return f"{self.name}-{self.nth}"


def base(work: Path) -> tuple[Contents, Contents]:
    """A tree with two releases, of which retention will remove the older, and a PKGDIR that has changed since.

    Returns what the channel offers, and what it will offer.
    """
    made = site(work)
    made.clock.now = NOW - 50_000
    gone = made.pkgdir.add("app-misc/gone-1")
    made.pkgdir.add("app-misc/same-1")
    made.publish()
    made.pkgdir.add("dev-libs/second-1")
    made.publish()
    old = made.tree.contents(2)
    made.pkgdir.remove(gone)
    made.pkgdir.add("app-misc/new-1")
    made.pkgdir.write()
    # What a run before was killed over.
    shutil.copytree(made.tree.directory(1), made.tree.staging, symlinks=True)
    new = contents.parse((work / "binpkgs/Packages").read_bytes(), "Packages")
    return old, named(new, "Packages").contents


def copy(work: Path, to: Path) -> Path:
    """A copy of the starting point for one run; packages keep their times, and links between releases do not matter here."""
    shutil.copytree(work, to, symlinks=True)
    return to


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PYTHONPATH": str(CHECKOUT)}


def drive(work: Path, *strace: str, what: str = "publish") -> subprocess.CompletedProcess[str]:
    """Let the driver publish or do ``what``, under strace with these options if there are any."""
    tracer = ["strace", "-y", *strace] if strace else []
    return subprocess.run(
        [*tracer, sys.executable, "-m", "tests.system.crash.driver", str(work), what],
        cwd=CHECKOUT,
        env=_environment(),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )


def enumerate_points(work: Path, log: Path, what: str = "publish") -> list[Point]:
    """Run it once to the end in ``work`` and list, in order, its calls that change something below it."""
    done = drive(work, "-s", "256", "-o", str(log), "-e", f"trace={','.join(f'?{name}' for name in CHANGING)}", what=what)
    assert done.returncode == 0, done.stderr
    return list(_points(log.read_text(errors="replace"), str(work)))


def _points(text: str, work: str) -> Iterator[Point]:
    counts: dict[str, int] = {}
    for line in text.split("\n"):
        match = _CALL.match(line)
        if match is None:
            continue
        name, rest = match["name"], match["rest"]
        counts[name] = counts.get(name, 0) + 1
        changes = name not in ("open", "openat") or "O_CREAT" in rest or "O_WRONLY" in rest or "O_RDWR" in rest
        if f"{work}/tree" in rest and changes:
            yield Point(name, counts[name], rest.replace(work, "WORK")[:160])


def inject(work: Path, point: Point, how: str, what: str = "publish") -> subprocess.CompletedProcess[str]:
    """Run it with ``how`` (strace's words: ``signal=KILL``, ``error=EIO``) at ``point``."""
    words = ("-o", "/dev/null", "-e", f"trace={point.name}", "-e", f"inject={point.name}:{how}:when={point.nth}")
    return drive(work, *words, what=what)


def whole(tree: Tree) -> Contents:
    """What the channel offers, after every byte of it was held to its Release. Raises AssertionError."""
    number = tree.live("production")
    directory, release = tree.root / "production", tree.release(number)
    assert release.version == number
    plain = (directory / "Packages").read_bytes()
    for file in release.files:
        data = (directory / file.name).read_bytes()
        assert file == IndexFile(file.name, len(data), hashlib.blake2b(data).hexdigest(), hashlib.sha512(data).hexdigest())
        assert expand(file.name, data, len(plain), file.name) == plain
    assert (directory / "Release.asc").read_bytes()
    offered = tree.contents(number)
    for path in offered.entries:
        data = (directory / path).read_bytes()
        assert hashlib.blake2b(data).hexdigest() == offered.entry(path).get("BLAKE2B")
    return offered


def settled(work: Path, new: Contents) -> None:
    """The next run, left in peace, brings the new content and leaves nothing behind. Raises AssertionError."""
    done = drive(work)
    assert done.returncode == 0, done.stderr
    tree = Tree(work / "tree")
    assert whole(tree).body == new.body
    assert sorted(os.listdir(tree.root)) == [".lock", "pool", "production", "releases"]
    left = sorted(os.listdir(tree.releases))
    assert all(name.isdigit() for name in left), left
    assert tree.live("production") == max(tree.numbers())
    assert set(tree.pool.every()) == {name for number in tree.numbers() for name in names_of(tree.directory(number))}

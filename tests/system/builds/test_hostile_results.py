"""What a hostile builder returns is refused by name: packages that real emerge has built, and that were changed afterwards."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zstandard

from portage_ext.limits import builds as limits
from tests.system.builds import lab as kit
from tests.system.builds.lab import Lab
from tests.testkit import keys
from tests.testkit.binhost import signing_root
from tests.testkit.binpkgs import record, tar_of

TAKE = """
import sys
from pathlib import Path
from portage_ext.builds.means import means
from portage_ext.builds.issuing import issue
from portage_ext.tasks.site import Site
with means(Site.read(Path(sys.argv[1]))) as its:
    for lost in its.ledger.running():
        its.ledger.end(lost, "failed", failure="checks", reason="its test failed before")
    if sys.argv[3:]:
        its.ledger.retry(sys.argv[3])
    attempt = its.ledger.take("far", its.places.log, sys.argv[3:] or None)
    issue(its, attempt, Path(sys.argv[2]))
    if not sys.argv[3:]:
        its.ledger.end(attempt, "failed", failure="checks", reason="each test begins another attempt")
    print(attempt.key, attempt.fence)
"""


@dataclass(frozen=True)
class Built:
    """The output of `builds perform` for a job of app-misc/note, whose key is ``key``, and for a job of another package."""

    lab: Lab
    key: str
    out: Path
    other: Path

    def take(self, order: Path) -> str:
        """Begin another attempt at the job, and return its fence."""
        python = str(self.lab.builder.environment.python)
        done = self.lab.builder.run(python, "-c", TAKE, str(self.lab.builder.path), str(order), self.key).ok()
        return done.stdout.split()[1]

    def plain(self, package: str, **settings: Any) -> Path:
        """The package as plain emerge builds it with other settings."""
        pkgdir = Path(tempfile.mkdtemp(dir=self.lab.work))
        self.lab.targets["v2"].emerge("--buildpkgonly", package, PKGDIR=str(pkgdir), **settings).ok()
        (found,) = pkgdir.rglob("*.gpkg.tar")
        return found


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    if not kit.CAN:
        pytest.skip(kit.REASON)
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        work = Path(name)
        work.chmod(0o755)
        lab = kit.make(work, "v2", libraries=False)
        lab.repository.data("app-misc/note-1", IUSE="foo")
        lab.repository.data("app-misc/note-2", IUSE="foo", KEYWORDS="~amd64")
        lab.repository.data("app-misc/other-1")
        lab.run("builds", "drain", "another engine takes them").ok()
        lab.run("build", "v2", "app-misc/note", "app-misc/other").failed()
        python = str(lab.builder.environment.python)
        outs: dict[str, tuple[str, Path]] = {}
        for number in range(2):
            order, out = work / f"order{number}", work / f"out{number}"
            out.mkdir()
            took = lab.builder.run(python, "-c", TAKE, str(lab.builder.path), str(order)).ok()
            lab.run("builds", "perform", str(order / "order.json"), str(out)).ok()
            (package,) = out.rglob("*.gpkg.tar")
            outs[package.parent.name] = took.stdout.split()[0], out
        yield Built(lab, *outs["note"], outs["other"][1])


Change = Callable[[Built, Path], None]
"""Changes the package at the path, in the output of a build."""


def instead(make: Callable[[Built], Path]) -> Change:
    def change(built: Built, package: Path) -> None:
        shutil.copyfile(make(built), package)

    return change


def packed(built: Built, package: Path, name: str) -> None:
    """Pack the package once more, with ``name`` as a further member of its image, and a Manifest that says so."""
    with tarfile.open(package) as archive:
        members = {one.name: archive.extractfile(one).read() for one in archive if one.isreg()}  # type: ignore[union-attr]
    (image,) = (one for one in members if one.endswith("image.tar.zst"))
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(members[image])
    members[image] = zstandard.compress(plain.rstrip(b"\0") + bytes(-len(plain.rstrip(b"\0")) % 512) + tar_of({name: b"evil"}))
    (manifest,) = (one for one in members if one.endswith("Manifest"))
    below = {one.rpartition("/")[2]: data for one, data in members.items() if one != manifest}
    members[manifest] = "".join(record(one, data) for one, data in below.items()).encode()
    package.write_bytes(tar_of(members))


def outside(built: Built, package: Path) -> None:
    with tarfile.open(package, "a") as archive:
        archive.addfile(tarfile.TarInfo("../../../etc/cron.d/evil"))


def large(built: Built, package: Path) -> None:
    os.truncate(package, limits.BUILD_RESULT + 1)  # a sparse file


def of_another_job(built: Built, package: Path) -> None:
    out = package.parents[3]
    shutil.rmtree(out)
    shutil.copytree(built.other, out)


def signed(built: Built) -> Path:
    home = built.lab.work / "gpg"
    key = keys.new_key(home)
    root = signing_root(built.lab.work / "signer", built.lab.repository, key)
    root.emerge("--buildpkgonly", "app-misc/note", USE="foo", CFLAGS="-O2 -march=x86-64-v2").ok()
    keys.kill_agents(home)
    (found,) = root.path.glob("var/cache/binpkgs/**/*.gpkg.tar")
    return found


slow = pytest.mark.slow
CHANGES = [
    pytest.param(instead(lambda built: built.plain("app-misc/note", USE="-foo")), "its USE flag foo is 'off'", id="USE"),
    pytest.param(
        instead(lambda built: built.plain("=app-misc/note-2", ACCEPT_KEYWORDS="~amd64")),
        "its CPV is 'app-misc/note-2', and 'app-misc/note-1' was to be built",
        id="CPV",
        marks=slow,
    ),
    pytest.param(
        instead(lambda built: built.plain("app-misc/note", CFLAGS="-O3")), "its CFLAGS is '-O3'", id="CFLAGS", marks=slow
    ),
    pytest.param(of_another_job, "other-1-1.gpkg.tar is not where emerge puts app-misc/note-1", id="another job", marks=slow),
    pytest.param(
        instead(lambda built: next(built.other.rglob("*.gpkg.tar"))),
        "its CPV is 'app-misc/other-1'",
        id="another job's package",
        marks=slow,
    ),
    pytest.param(outside, "", id="tar", marks=slow),
    pytest.param(
        lambda built, package: packed(built, package, "image/../../../etc/cron.d/evil"),
        "leads out of it",
        id="image",
        marks=slow,
    ),
    pytest.param(large, f"is larger than {limits.BUILD_RESULT} bytes", id="size", marks=slow),
    pytest.param(instead(signed), "it is signed already", id="signature", marks=slow),
]


@pytest.mark.parametrize(("change", "why"), CHANGES)
def test_what_is_not_the_package_of_the_job_is_refused_by_name(built: Built, work: Path, change: Change, why: str) -> None:
    fence = built.take(work / "order")
    out = work / "out"
    shutil.copytree(built.out, out)
    (package,) = out.rglob("*.gpkg.tar")
    change(built, package)
    refused = built.lab.run("builds", "accept", built.key, fence, str(out)).failed()
    said = " ".join(refused.stdout.split())
    assert "app-misc/note-1 for v2: failed: refused the build result for app-misc/note-1: " in said
    assert why in said
    (job,) = (one for one in built.lab.jobs() if one["key"] == built.key)
    assert (job["state"], job["failure"]) == ("failed", "checks")
    assert list(built.lab.state.glob("incoming/*/*")) == []
    assert built.lab.packages("v2") == []


@slow
def test_what_was_not_changed_is_accepted(built: Built, work: Path) -> None:
    """The changes alone are why the others are refused; also when the package was packed once more."""
    for again in (False, True):
        fence = built.take(work / f"order{again}")
        out = work / f"out{again}"
        shutil.copytree(built.out, out)
        if again:
            (package,) = out.rglob("*.gpkg.tar")
            packed(built, package, "image/usr/share/note/more")
        built.lab.run("builds", "accept", built.key, fence, str(out)).ok()
        (result,) = built.lab.state.glob("incoming/*/*")
        shutil.rmtree(result.parent)

"""Real emerge installs releases by halves until the release is known that broke something, and the package."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.publish.site import Host
from tests.testkit import environments, keys
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

NONE = ("--gates", "none", "--channel", "production", "--no-prune", "--force")
GOOD_FLAGS = 'grep -q "^1.0 " "$EROOT"/usr/share/flags/0/version'


def left(host: Host) -> list[str]:
    """Scratch roots that are still there."""
    return [path.name for path in (host.root.path / "tmp").iterdir()]


def bisect(host: Host, *words: str) -> Outcome:
    return host.root.run("portage-ext", "bisect", *words, TMPDIR=str(host.root.path / "tmp"))


def release(host: Host, *names: str) -> None:
    """Publish exactly these of the standard packages, as ``hello-1.0``."""
    kept = host.root.path / "kept"
    if not kept.exists():
        host.root.pkgdir.rename(kept)
    shutil.rmtree(host.root.pkgdir, ignore_errors=True)
    for name in names:
        pn = name.rpartition("-")[0]
        target = host.root.pkgdir / "app-misc" / pn
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy2(kept / "app-misc" / pn / f"{name}-1.gpkg.tar", target)
    host.run("publish", *NONE).ok()


def test_the_release_and_then_the_package_are_named(host: Host) -> None:
    release(host, "flags-1.0", "hello-1.0")
    release(host, "flags-1.0", "hello-1.0", "slotted-1.5")
    release(host, "flags-2.0", "hello-1.1", "slotted-1.5")
    release(host, "flags-2.0", "hello-1.1", "slotted-1.5", "slotted-2.5")
    run = bisect(
        host,
        "--install",
        "app-misc/flags",
        "--install=app-misc/hello",
        "--json",
        "1",
        "production",
        "--",
        "sh",
        "-c",
        GOOD_FLAGS,
    )
    said = json.loads(run.ok().stdout)
    assert (said["good"], said["bad"], said["between"], said["installations"]) == (2, 3, [], 3), run
    assert said["packages"] == [
        {"name": "app-misc/flags:0", "before": ["app-misc/flags-1.0-1"], "after": ["app-misc/flags-2.0-1"]}
    ]
    assert "release 2: good\n" in run.stderr, run
    assert "release 3: bad: the command ended with status 1\n" in run.stderr, run
    assert left(host) == []


@pytest.mark.slow
def test_an_interrupt_ends_emerge_and_leaves_nothing(host: Host) -> None:
    release(host, "flags-1.0", "hello-1.0")
    release(host, "flags-1.0", "hello-1.1")
    release(host, "flags-2.0", "hello-1.1")
    before = (host.root.path / "var/db/pkg").exists()
    reached = host.root.path / "reached"
    waits = f"touch {reached}; sleep 600"
    process = subprocess.Popen(
        ("portage-ext", "bisect", "1", "3", "--", "sh", "-c", waits),
        env={**host.root.variables(), "TMPDIR": str(host.root.path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not reached.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.endswith("portage-ext bisect: interrupted; the scratch root was removed\n"), said
    assert left(host) == []
    assert (host.root.path / "var/db/pkg").exists() == before
    sleeping = subprocess.run(["pgrep", "-f", str(reached)], capture_output=True, text=True, check=False).stdout
    assert sleeping == "", "the command was ended, too"


class Twenty:
    """20 releases of three packages; two of them are new in each, and one of these has a defect from some release on."""

    def __init__(self, work: Path, home: Path, defect: int) -> None:
        self.repository = EbuildRepository.create(work / "repo", "small")
        for number in range(1, 21):
            self._ebuild("one", number, 0)
            self._ebuild("two", number, 1 if number >= defect else 0, RDEPEND="app-misc/one")
        self.repository.data("app-misc/data-1")
        self.root = Root.create(work / "host", environments.environment(), [self.repository], features="binpkg-multi-instance")
        self.root.etc("portage-ext.toml", f'[publish]\ntree = "{work}/tree"\n[sign]\nhomedir = "{home}"\n')
        names = [f"=app-misc/{name}-{number}" for number in range(1, 21) for name in ("one", "two")]
        self.root.emerge("--buildpkgonly", "--nodeps", "--quiet", *names, "=app-misc/data-1").ok()
        built = work / "built"
        self.root.pkgdir.rename(built)
        for number in range(1, 21):
            shutil.rmtree(self.root.pkgdir, ignore_errors=True)
            for name, version in (("one", number), ("two", number), ("data", 1)):
                target = self.root.pkgdir / "app-misc" / name
                target.mkdir(parents=True)
                (found,) = (built / "app-misc" / name).glob(f"{name}-{version}-*.gpkg.tar")
                shutil.copy2(found, target)
            self.root.run("portage-ext", "publish", *NONE).ok()

    def _ebuild(self, name: str, number: int, status: int, **variables: str) -> None:
        script = f"#!/bin/sh\\necho {name}-{number}\\nexit {status}\\n"
        self.repository.ebuild(
            f"app-misc/{name}-{number}", f"src_install() {{ printf '{script}' > {name} || die; dobin {name}; }}\n", **variables
        )


def asked(root: Root, *words: str) -> dict[str, Any]:
    run = root.run("portage-ext", "bisect", "--json", *words, TMPDIR=str(root.path / "tmp"))
    assert run.status in (0, 1), str(run)
    assert list((root.path / "tmp").iterdir()) == []
    found: dict[str, Any] = json.loads(run.stdout)
    return found


@pytest.fixture
def home(work: Path) -> Iterator[Path]:
    key = keys.new_key(work / "key")
    try:
        yield key.home
    finally:
        keys.kill_agents(key.home)


@pytest.mark.slow
def test_twenty_releases_in_at_most_six_installations(work: Path, home: Path) -> None:
    twenty = Twenty(work, home, 13)
    runs = ("--", "sh", "-c", '"$EROOT"/usr/bin/two && "$EROOT"/usr/bin/one')
    found = asked(twenty.root, "1", "20", *runs)
    assert (found["good"], found["bad"]) == (12, 13), found
    assert [one["name"] for one in found["packages"]] == ["app-misc/two:0"]
    assert found["installations"] <= 6 == math.ceil(math.log2(19)) + 1
    # A release that cannot be tested, by the status that `git bisect run` has for it.
    skipping = 'case $("$EROOT"/usr/bin/one) in one-10|one-11) exit 125;; esac; "$EROOT"/usr/bin/two'
    found = asked(twenty.root, "1", "20", "--", "sh", "-c", skipping)
    assert (found["good"], found["bad"], found["between"]) == (12, 13, []), found
    skipping = 'case $("$EROOT"/usr/bin/one) in one-13|one-12) exit 125;; esac; "$EROOT"/usr/bin/two'
    found = asked(twenty.root, "1", "20", "--", "sh", "-c", skipping)
    assert (found["good"], found["bad"], found["between"]) == (11, 14, [12, 13]), found

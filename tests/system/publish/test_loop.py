"""Clients that never rest, while releases are published, promoted, rolled back and pruned, and everybody is killed.

Not one inconsistent answer, and no 404 within the grace time: of the tree, and of a mirror that is cut off in the middle.
Short here; ``LOOP_RELEASES=200`` for the whole (make test-loop).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portage_ext.releases.tree import Tree
from tests.system.publish import site
from tests.system.publish.polling import Client, polling
from tests.system.publish.site import Host
from tests.testkit import httpd

RELEASES = int(os.environ.get("LOOP_RELEASES", "6"))
FETCHING = () if "LOOP_RELEASES" in os.environ else ("--fetchonly",)
"""In the short loop what the clients' emerge fetches and verifies is not merged, too: nothing is asked of a server by then."""
CHECKOUT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="needs rsync")


@contextmanager
def killed_now_and_then(what: str, work: Path, chance: random.Random, log: Path) -> Iterator[None]:
    """Keep ``churn WHAT`` running, and kill it with all that it started at random moments."""
    over = threading.Event()

    def keep() -> None:
        seed = 0
        while not over.is_set():
            seed += 1
            command = [sys.executable, "-m", "tests.system.publish.churn", what, str(work), str(seed)]
            with log.open("ab") as said:
                process = subprocess.Popen(
                    command,
                    cwd=CHECKOUT,
                    # What dies by a kill cannot remove its temporary files.
                    env={**os.environ, "TMPDIR": str(work)},
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
            over.wait(chance.uniform(1.0, 4.0))
            assert process.poll() is None, log.read_text()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            keep()
        except AssertionError as error:
            failures.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not failures, failures


def test_every_answer_is_whole_while_everything_changes_and_dies(work: Path, host: Host) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    chance = random.Random(seed)
    shutil.copytree(host.root.pkgdir, work / "pool")
    (work / "fingerprint").write_text(host.key.fingerprint)
    host.run("publish", "--channel", "production", "--gates", "index").ok()
    whole = [f"{host.tree}/{name}" for name in ("pool", "releases", "production")]
    subprocess.run(["rsync", "-a", *whole, str(work / "mirror/")], check=True)
    tree = Tree(host.tree)
    with httpd.serve(work) as server:
        urls = [f"{server.url}/tree/production", f"{server.url}/mirror/production"]
        fetchers = [Client(host, work, url, number) for number, url in enumerate(urls)]
        merging = [site.client(work, host, url, f"emerge-{number}") for number, url in enumerate(urls)]
        with (
            killed_now_and_then("publish", work, chance, work / "publish.log"),
            killed_now_and_then("mirror", work, random.Random(seed + 1), work / "mirror.log"),
            polling(*fetchers),
        ):
            rounds = 0

            def enough() -> bool:
                """What is asserted below of the length of the loop; chance and a busy machine may make it longer."""
                seen = len(fetchers[0].indices) > 1 and all(fetcher.packages for fetcher in fetchers)
                return seen and rounds > 1 and max(tree.numbers(), default=0) >= RELEASES

            deadline = time.monotonic() + 240 + 6 * RELEASES
            while not enough() and time.monotonic() < deadline:
                emerging = merging[rounds % 2]
                emerging.emerge("-1", "--getbinpkgonly", "--quiet", *FETCHING, "app-misc/hello", "=app-misc/flags-1.0").ok()
                emerging.forget_downloads()
                rounds += 1
        missing = [request for request in server.log if request.status == 404 and "/keys/" not in request.path]
    assert not [failure for fetcher in fetchers for failure in fetcher.failures], f"seed {seed}"
    assert not missing, f"seed {seed}"
    assert max(tree.numbers()) >= RELEASES, f"seed {seed}"
    assert all(fetcher.packages for fetcher in fetchers)
    assert len(fetchers[0].indices) > 1
    print(f"{max(tree.numbers())} releases, {rounds} emerges, {[f.packages for f in fetchers]} packages fetched")

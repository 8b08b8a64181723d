"""Many emerges at once, some killed at random moments with all that they started: nothing is lost, nothing half is seen.

A few here; ``HOOK_EMERGES=20`` for the whole (make test-hooks).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portage_ext.pkgdir.signing import packages
from tests.system.hooks import afterwards
from tests.system.hooks.afterwards import open_marks, published, unsigned
from tests.system.publish.polling import Client, polling
from tests.system.publish.site import Host
from tests.testkit import httpd, keys
from tests.testkit.binhost import Binhost

EMERGES = int(os.environ.get("HOOK_EMERGES", "5"))


@pytest.fixture
def host(work: Path, binhost: Binhost) -> Iterator[Host]:
    key = keys.new_key(work / "key")
    try:
        made = afterwards.building(work, binhost, key)
        # A client holds an index for a while and must find its packages.
        made.configure(grace=600, more=afterwards.PUBLISH)
        yield made
    finally:
        keys.kill_agents(key.home)


def build(host: Host, name: str, begin: float, kill_after: float | None) -> tuple[str, int, str]:
    """In ``begin`` seconds run emerge for ``name``; ``kill_after`` seconds later nothing of it lives.

    Returns name, status and what was printed.
    """
    root = host.root
    time.sleep(begin)
    words = ["emerge", "-1", f"app-misc/{name}"]
    process = subprocess.Popen(
        words,
        env=root.variables(),
        cwd=root.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=kill_after or 400)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    return name, process.returncode, output


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_half_is_seen_while_emerges_die(work: Path, host: Host) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    chance = random.Random(seed)
    extra = host.root.repositories[1]
    names = [f"quick{number}" for number in range(EMERGES)]
    for name in names:
        extra.data(f"app-misc/{name}-1.0")
    assert host.root.emerge("-1", "app-misc/flags").ok()
    # They begin one after another and live some seconds, so that a kill may meet any step of any of them.
    begins = {name: chance.uniform(0, EMERGES) for name in names}
    doomed = {name: chance.uniform(0.5, 10) for name in chance.sample(names, max(2, EMERGES // 2))}
    results: list[tuple[str, int, str]] = []
    with httpd.serve(host.tree) as server:
        client = Client(host, work, f"{server.url}/staging", seed)
        with polling(client):
            threads = [
                threading.Thread(target=lambda name=name: results.append(build(host, name, begins[name], doomed.get(name))))
                for name in names
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            # One more run, which builds nothing, is enough; where none was killed too late there is nothing left for it to do.
            host.root.emerge("-1", "--noreplace", "app-misc/flags").ok()
        missing = [request.path for request in server.log if request.status == 404 and "/keys/" not in request.path]
    killed = {name for name, status, _ in results if status == -signal.SIGKILL}
    for name, status, output in results:
        assert status == 0 or name in killed, f"seed {seed}\n{output}"
    assert not client.failures, f"seed {seed}"
    assert not missing, f"seed {seed}"
    assert client.packages, f"seed {seed}"

    # A name that a killed emerge had reserved is a file without content, and no package.
    paths = [path for path in packages(host.root.pkgdir) if path.stat().st_size]
    built = {path.name.removesuffix(".gpkg.tar") for path in paths}
    assert {f"{name}-1.0-1" for name in names if name not in killed} <= built, f"seed {seed}"
    assert not unsigned(host), f"seed {seed}"
    assert not open_marks(host), f"seed {seed}"
    assert published(host) == built, f"seed {seed}"
    check = host.run("reindex", "--check")
    assert "up to date" in check.stdout, f"seed {seed}\n{check}"
    seen = f"{len(client.indices)} of {host.channel('staging')} releases seen, {client.packages} packages fetched"
    print(f"seed {seed}: {EMERGES} emerges, {len(killed)} killed, {seen}")

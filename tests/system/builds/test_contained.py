"""What an ebuild does in its cage stays there: network, files, daemons, memory, disk; and what kills a run or a phase leaves
nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from tests.system.builds.lab import Lab, left_behind

HOSTILE = """
src_compile() {{
    bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' 2>/dev/null && echo "REACHED THE NETWORK"
    echo x > {outside}/written 2>/dev/null
    echo x > /etc/portage-ext-was-here
    mount -t tmpfs tmpfs /mnt 2>/dev/null && echo "MOUNTED"
    mknod "${{T}}"/device b 8 0 2>/dev/null && echo "MADE A DEVICE"
    [[ -s /etc/shadow ]] && echo "READ SHADOW"
    [[ -n $(ls -A /root /home /var/lib/portage-ext 2>/dev/null | grep -v :) ]] && echo "READ PRIVATE"
    cat /proc/1/environ >/dev/null 2>&1 && echo "READ PROCESS 1"
    for fd in /proc/1/fd/*; do ls -L "$fd"/ >/dev/null 2>&1 && echo "READ DESCRIPTORS"; done
    setsid sleep 987654 >/dev/null 2>&1 </dev/null &
}}
src_install() {{
    insinto /usr/share/thing
    echo ok > fine || die
    doins fine
}}
"""


EATER = "src_compile() {{ {} ; }}\nsrc_install() {{ insinto /usr/share; echo x > x; doins x; }}\n"
STUBBORN = """
src_install() { insinto /usr/share; echo x > x; doins x; }
pkg_preinst() { die "it does not install"; }
"""


def test_builds_that_reach_out_eat_too_much_or_do_not_install(small: Lab, port: int) -> None:
    """One run builds all four: each ends by itself, and what it did stays in its cage."""
    outside = small.work / "outside"
    outside.mkdir()
    reached = threading.Event()
    with socket.create_server(("127.0.0.1", port)) as server:
        threading.Thread(target=lambda: (server.accept(), reached.set()), daemon=True).start()
        small.repository.ebuild("app-misc/hostile-1", HOSTILE.format(port=port, outside=outside))
        small.repository.ebuild("app-misc/memory-1", EATER.format('python3 -c "x = bytearray(900 * 2**20)" || die'))
        small.repository.ebuild("app-misc/disk-1", EATER.format('head -c 900M /dev/zero > "${T}"/big || die'))
        small.repository.ebuild("app-misc/stubborn-1", STUBBORN)
        names = ("hostile", "memory", "disk", "stubborn")
        ended = " ".join(small.run("build", "v2", *(f"app-misc/{name}" for name in names)).failed().stdout.split())
        assert not reached.is_set()
        socket.create_connection(("127.0.0.1", port)).close()  # the server would have been reached
    said = small.logs()
    assert not [
        word
        for word in ("REACHED", "MOUNTED", "MADE A", "READ PROC", "READ DESC", "READ SHADOW", "READ PRIVATE")
        if word in said
    ], said
    assert os.listdir(outside) == []
    assert not Path("/etc/portage-ext-was-here").exists()
    # The bounds of memory and of disk end a build.
    assert ended.count("its build failed") == 2
    # What does not install is not published.
    refused = "refused the build result for app-misc/stubborn-1: it cannot be installed in the environment of target v2"
    assert refused in ended
    assert "it does not install" in said
    assert small.targets["v2"].installed() == set()
    assert [path.name for path in small.packages("v2")] == ["hostile-1-1.gpkg.tar"]
    assert {job["cpv"].removeprefix("app-misc/"): (job["state"], job["failure"]) for job in small.jobs()} == {
        "hostile-1": ("published", ""),
        "memory-1": ("failed", "package"),
        "disk-1": ("failed", "package"),
        "stubborn-1": ("failed", "checks"),
    }
    assert left_behind(small) == []
    # It would fail in the same way: it is not tried again, until somebody says so.
    again = small.run("build", "v2", "app-misc/disk").failed()
    assert "failed before" in again.stdout
    assert len(list(small.state.glob("log/*.log"))) == 4


def test_a_killed_run_leaves_nothing_and_the_next_one_goes_on(small: Lab) -> None:
    # In the first attempt the build waits for ever in src_compile; its log, which the test reads as it grows, says so.
    body = """
    src_compile() {
        echo "IT IS IN SRC_COMPILE"
        [[ -e "${EPREFIX}"/go-on ]] || sleep 987655
    }
    src_install() { insinto /usr/share; echo x > x; doins x; }
    """
    small.repository.ebuild("app-misc/slow-1", body)
    words = [str(small.builder.environment.bin / "portage-ext"), "build", "v2", "app-misc/slow"]
    run = subprocess.Popen(words, env=small.builder.variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while "IT IS IN SRC_COMPILE" not in small.logs():
        assert run.poll() is None, small.logs()
        time.sleep(0.05)
    (seen,) = json.loads(small.run("watch", "--json").ok().stdout)["emerges"]
    (package,) = seen["packages"]
    assert (seen["target"], package["cpv"], package["state"]) == ("v2", "app-misc/slow-1", "running")
    assert "IT IS IN SRC_COMPILE" in Path(package["log"]).read_text()
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert "no emerge that reports" in small.run("watch", "--once").failed().stderr
    (small.targets["v2"].path / "go-on").write_text("")
    done = small.run("builds", "run").ok()
    assert "the run that built it was killed; it is queued" in " ".join(done.stdout.split())
    (job,) = small.jobs()
    assert job["state"] == "published"
    assert len(small.packages("v2")) == 1
    assert left_behind(small) == []


def test_a_phase_that_is_killed_is_not_published_although_its_subshell_goes_on(small: Lab) -> None:
    small.repository.ebuild("app-misc/killer-1", "src_install() { insinto /usr/share; echo x > x; kill -9 $$; doins x; }\n")
    failed = small.run("build", "v2", "app-misc/killer").failed()
    assert "its build failed: it, or a phase of it, was killed" in " ".join(failed.stdout.split())
    assert "The ebuild phase 'install' has been killed by signal 9" in small.logs()
    (job,) = small.jobs()
    assert (job["state"], job["failure"]) == ("failed", "builder")
    assert small.packages("v2") == []
    assert left_behind(small) == []
    # Portage itself packages what the subshell leaves. If this fails, emerge/phases is no longer needed.
    small.targets["v2"].emerge("--buildpkgonly", "app-misc/killer").ok()

"""A builder behind NAT, in network namespaces: it dials out, and the coordinator has no route to it; then its network is cut.

::

    coordinator 10.77.1.1 -- 10.77.1.2 router 10.77.2.1 -- 10.77.2.2 builder
"""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.builds import lab as labs
from tests.system.swarm import kit, test_lost
from tests.system.swarm.kit import Swarm

_TRY = "ip link add v0 type veth peer name v1 && nft add table ip try"
CAN = os.getuid() == 0 and subprocess.run(["unshare", "-n", "sh", "-c", _TRY], capture_output=True, check=False).returncode == 0
pytestmark = [
    pytest.mark.skipif(not CAN, reason="it needs root, and a kernel with network namespaces, veth and nftables"),
    pytest.mark.skipif(not kit.CAN, reason=kit.REASON),
]
SCRIPT = """
set -e
for one in $C $R $B; do ip netns add $one; ip -n $one link set lo up; done
ip link add vc netns $C type veth peer name vc netns $R
ip link add vb netns $B type veth peer name vb netns $R
ip -n $C address add 10.77.1.1/24 dev vc
ip -n $R address add 10.77.1.2/24 dev vc
ip -n $R address add 10.77.2.1/24 dev vb
ip -n $B address add 10.77.2.2/24 dev vb
for one in "$C vc" "$R vc" "$R vb" "$B vb"; do ip -n ${one% *} link set ${one#* } up; done
ip -n $B route add default via 10.77.2.1
ip netns exec $R sysctl -qw net.ipv4.ip_forward=1
ip netns exec $R nft 'add table ip nat'
ip netns exec $R nft 'add chain ip nat out { type nat hook postrouting priority 100; }'
ip netns exec $R nft 'add rule ip nat out masquerade'
"""


@dataclass(frozen=True)
class Net:
    """The names of the namespaces."""

    coordinator: str
    router: str
    builder: str


@pytest.fixture
def net() -> Iterator[Net]:
    names = Net(*(f"pe-{one}-{secrets.token_hex(4)}" for one in "crb"))
    variables = {"C": names.coordinator, "R": names.router, "B": names.builder, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    try:
        subprocess.run(["sh", "-c", SCRIPT], env=variables, check=True)
        yield names
    finally:
        for name in (names.coordinator, names.router, names.builder):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def inside(name: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", name)


@pytest.fixture
def apart(work: Path, net: Net) -> Iterator[Swarm]:
    with kit.running(labs.make(work, "v2", libraries=False), place="10.77.1.1", before=inside(net.coordinator)) as found:
        yield found


@pytest.mark.slow
def test_a_builder_behind_nat_builds(apart: Swarm, net: Net) -> None:
    route = ["ip", "-n", net.coordinator, "route", "get", "10.77.2.2"]
    assert "unreachable" in subprocess.run(route, capture_output=True, text=True, check=False).stderr
    apart.lab.repository.data("app-misc/note-1")
    apart.join("b1", "v2", before=inside(net.builder))
    done = apart.lab.run("build", "v2", "app-misc/note").ok()
    assert "published app-misc/note-1 as note-1-1.gpkg.tar" in done.stdout


@test_lost.rest
def test_a_network_that_falls_silent_loses_the_builder_within_a_minute(apart: Swarm, net: Net) -> None:
    apart.lab.repository.ebuild("app-misc/slow-1", test_lost.EBUILD)
    apart.join("b1", "v2", before=inside(net.builder))
    apart.asking = apart.build("app-misc/slow-1")
    apart.until(lambda: "the build waits" in apart.lab.logs())
    apart.join("b2", "v2", before=inside(net.coordinator))
    (apart.lab.targets["v2"].path / "go-on").touch()
    began = time.monotonic()
    # Nobody is told: what either side sends is dropped on the way.
    silent = ["nft", "add table ip cut; add chain ip cut on { type filter hook forward priority 0; policy drop; }"]
    subprocess.run([*inside(net.router), *silent], check=True)
    apart.until(lambda: len(apart.lab_attempts()) == 2)
    took = time.monotonic() - began
    print(f"half open: running elsewhere after {took:.1f} s")
    assert took < 60
    # The builder, too, gives up what nobody waits for.
    assert test_lost.end(apart) == ["builder b1 was lost while it built", "checked"]
    subprocess.run([*inside(net.router), "nft", "delete table ip cut"], check=True)
    apart.until(lambda: apart.seen("b1")["closed"] == "")

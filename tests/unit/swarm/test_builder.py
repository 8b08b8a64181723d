"""How a machine finds its coordinator, and when it takes no job."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.config.settings import Settings
from portage_ext.config.swarm import Swarm
from portage_ext.errors import UsageError
from portage_ext.errors.swarm import SwarmError
from portage_ext.swarm.builder import Address, Joined, address
from portage_ext.tasks.site import Site


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("tls://builds.example", Address("builds.example", 9989)),
        ("tls://builds.example:1234/", Address("builds.example", 1234)),
        ("10.0.0.1:1234", Address("10.0.0.1", 1234)),
        ("tls://[2001:db8::1]:1234", Address("2001:db8::1", 1234)),
        ("tls://[2001:db8::1]", Address("2001:db8::1", 9989)),
    ],
)
def test_addresses(url: str, found: Address) -> None:
    assert address(url) == found


@pytest.mark.parametrize("url", ["", "tls://", "http://x:1", "host:0", "host:99999", "host:x", "a b:1", "user@host:1"])
def test_no_address(url: str) -> None:
    with pytest.raises(UsageError, match="no address of a coordinator"):
        address(url)


def joined(tmp_path: Path, free: int) -> Joined:
    found = Joined(Site(tmp_path, tmp_path, Settings(swarm=Swarm(free_disk=free))))
    found.directory.mkdir(parents=True)
    return found


def test_it_drains_and_resumes(tmp_path: Path) -> None:
    found = joined(tmp_path, 0)
    assert found.closed() == ""
    found.drain("a new kernel")
    assert found.closed() == "a new kernel"
    found.drain("")
    assert found.closed() == ""


def test_a_short_disk_is_named_with_both_sizes(tmp_path: Path) -> None:
    assert "its disk is short: " in joined(tmp_path, 2**60).closed()
    assert (
        "and it keeps 1073741824.0 GiB ([swarm] free-disk-mib)"
        in Joined(Site(tmp_path, tmp_path, Settings(swarm=Swarm(free_disk=2**60)))).closed()
    )


def test_who_has_not_joined_is_told_how(tmp_path: Path) -> None:
    with pytest.raises(SwarmError, match="builder join URL --token-file F"):
        _ = joined(tmp_path, 0).name

"""A tree that is served on a public address, in a network namespace of its own where the loopback has such an address."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.system.check.conftest import Pair

ADDRESS = "9.9.9.9"
ALONE = ("unshare", "--net") if os.getuid() == 0 else ("unshare", "--net", "--map-root-user")
SETUP = f"ip link set lo up && ip address add {ADDRESS}/32 dev lo"
CAN = subprocess.run([*ALONE, "sh", "-c", SETUP], capture_output=True, check=False).returncode == 0
SCRIPT = f"""
{SETUP} || exit 1
{sys.executable} -m http.server --bind {ADDRESS} 8000 >/dev/null 2>&1 & server=$!
until {sys.executable} -c "import socket; socket.create_connection(('{ADDRESS}', 8000))" 2>/dev/null; do :; done
portage-ext check --json
status=$?
kill $server
exit $status
"""


def check(pair: Pair) -> dict[str, list[dict[str, str]]]:
    """The findings about what is served, by area."""
    environment = pair.host.root.variables()
    done = subprocess.run(
        [*ALONE, "sh", "-c", SCRIPT], cwd=pair.host.tree, env=environment, capture_output=True, text=True, check=False
    )
    areas = json.loads(done.stdout)["areas"]
    return {one["name"]: one["findings"] for one in areas if one["name"].startswith("served")}


@pytest.mark.slow
@pytest.mark.skipif(not CAN, reason="this system gives no network namespaces")
def test_a_stranger_reads_a_private_tree_and_a_pkgdir_without_a_release(pair: Pair) -> None:
    toml = pair.host.root.path / "etc/portage/portage-ext.toml"
    before = toml.read_text()
    assert "[publish]\n" in before

    def say(**values: str) -> None:
        toml.write_text(
            before.replace("[publish]\n", "[publish]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()))
        )

    url = f"http://{ADDRESS}:8000"
    say(url=f'"{url}"')
    assert check(pair) == {"served by [publish]": []}
    say(url=f'"{url}"', private="true")
    ((found,),) = check(pair).values()
    assert found["what"].startswith(f"everybody can read {url}/production: {ADDRESS} is a public address"), found
    toml.write_text(before)
    conf = pair.host.root.path / "etc/portage/make.conf"
    (pair.host.tree / "binpkgs").mkdir()
    (pair.host.tree / "binpkgs/Packages").write_text("PACKAGES: 0\n")
    with conf.open("a") as file:
        file.write(f'PORTAGE_BINHOST_HEADER_URI="{url}/binpkgs"\n')
    ((found,),) = check(pair).values()
    assert found["what"].startswith(f"{url}/binpkgs is public and has no Release"), found

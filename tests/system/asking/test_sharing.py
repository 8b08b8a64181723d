"""Three clients with three targets share what their keys allow: equal builds are one, and each client installs from its own."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.system.asking import lab as kit
from tests.system.asking.lab import Asking
from tests.system.asking.test_asking import NOTE
from tests.system.swarm.kit import ENGINES
from tests.testkit.certificates import new_certificate


def another(first: Asking, target: str, like: str) -> Asking:
    """A further client with a certificate of its own, for ``target``."""
    certificate, key = new_certificate(first.lab.work, target)
    reach = first.reach | {"certificate": f'"{certificate}"', "key": f'"{key}"'}
    made = dataclasses.replace(first, client=kit.new_client(first.lab, f"of-{target}", target, like), reach=reach)
    path = first.coordinator.path / "etc/portage/portage-ext.toml"
    path.write_text(f'{path.read_text()}\n[client.{target}]\ntargets = ["{target}"]\ncertificate = "{certificate}"\n')
    made.ask("wait", target=f'"{target}"')
    return made


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_three_clients_with_three_targets_share_what_their_keys_allow(work: Path, engine: str) -> None:
    if not kit.CAN:
        pytest.skip(kit.REASON)
    with kit.running(work, "https", engine=engine, targets=("v2", "v3"), twin="twin") as first:
        lab = first.lab
        lab.repository.data(f"{NOTE}-1", IUSE="foo")
        # Everything of the target twin is as for v2, but its repository.
        for machine in (lab.builder, *lab.machines):
            machine.run("portage-ext", "target", "capture", "twin", "--prefix", str(lab.targets["v2"].path)).ok()
        clients = [first, another(first, "twin", "v2"), another(first, "v3", "v3")]
        with ThreadPoolExecutor(3) as pool:
            ended = list(pool.map(lambda one: one.client.emerge("--oneshot", NOTE).ok(), clients))
        assert [one.client.merged() for one in clients] == [{f"{NOTE}-1": "binary"}] * 3, "\n".join(map(str, ended))
        assert [len(lab.packages(name)) for name in ("v2", "twin", "v3")] == [1, 1, 1]
        jobs = lab.jobs()
        assert [job["state"] for job in jobs] == ["published", "published"]
        assert sorted("v3" if job["target"] == "v3" else "v2 or twin" for job in jobs) == ["v2 or twin", "v3"]

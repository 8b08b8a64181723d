"""A stage archive becomes a system, and layers: `target add --stage`, `target copy --root`, and packages built in both."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.system.builds import lab as kit
from tests.system.targets import machine

pytestmark = pytest.mark.skipif(not kit.CAN, reason=kit.REASON)


@pytest.mark.slow
def test_a_stage_archive_becomes_a_system_and_layers(work: Path) -> None:
    layer, archive, system = work / "layer", work / "stage3.tar.xz", work / "system"
    machine.host(layer)
    builder = machine.builder(work, layer, "laptop", "layered")
    machine.stage(layer, archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    words = ("--stage", str(archive), "--digest", digest, "--profile", "default/linux/amd64", "--into", str(system))
    assert f"made {system} from stage3.tar.xz" in builder.run("portage-ext", "target", "add", "laptop", *words).ok().stdout
    built = builder.run("portage-ext", "build", "laptop", "app-misc/note").ok()
    assert "published app-misc/note-1" in built.stdout

    copied = builder.run("portage-ext", "target", "copy", "layered", "--root", str(system)).ok().stdout
    assert copied.count("to make") == 3
    # Both are the same system, so the job is the same, and each repository gets its package.
    again = builder.run("portage-ext", "build", "layered", "app-misc/note", "--json").ok()
    (first,) = json.loads(builder.run("portage-ext", "builds", "list", "--json").ok().stdout)["jobs"]
    assert [job["key"] for job in json.loads(again.stdout)["jobs"]] == [first["key"]]
    assert len(list((work / "binpkgs-layered").rglob("*.gpkg.tar"))) == 1
    # The system is not needed any more.
    (system / "usr/lib/thing/data").write_text("another data\n")
    assert "exists" in builder.run("portage-ext", "build", "layered", "app-misc/note").ok().stdout
    # And a copy of it as it is now is another layer.
    other = builder.run("portage-ext", "target", "copy", "layered", "--root", str(system)).ok().stdout
    assert other.count("to make") == 1

"""What `build` makes in a cage is stated by the release: the job, which is the key of its environment, and the builder."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from portage_ext.trust import manage
from portage_ext.trust.keyrings import TrustDirectory
from tests.system.attacks.lab import binrepo
from tests.system.builds.lab import Lab
from tests.testkit import environments, httpd, keys
from tests.testkit.environments import CHECKOUT
from tests.testkit.roots import Root

SETTINGS = """
[binhost]
after-emerge = "publish"

[sign]
key = "{key}"
homedir = "{home}"

[publish]
gates = ["index", "signatures"]
provenance = true

[repository.v2]
tree = "{work}/tree-v2"
pkgdir = "{work}/binpkgs-v2"
"""


@pytest.mark.slow
def test_a_client_sees_the_job_and_the_builder_of_a_package_built_in_a_cage(small: Lab, work: Path) -> None:
    small.repository.data("app-misc/tool-1")
    small.repository.data("app-misc/note-1", BDEPEND="app-misc/tool")
    target = small.targets["v2"]
    target.settings["PORTAGE_EXT_PROVENANCE"] = "on"
    target.write_settings()
    target.etc("bashrc", f'source "{CHECKOUT}/bashrc.d/portage-ext.bashrc"\n')
    small.capture("v2").ok()
    key = keys.new_key(work / "key")
    try:
        gnupg = small.builder.path / "etc/portage/gnupg"
        keys.trust(gnupg, key)
        small.builder.settings["BINPKG_GPG_VERIFY_GPG_HOME"] = str(gnupg)
        small.builder.write_settings()
        small.builder.etc("portage-ext.toml", SETTINGS.format(key=key.fingerprint, home=key.home, work=work))
        small.run("build", "v2", "app-misc/note").ok()
    finally:
        keys.kill_agents(key.home)
    (package,) = [path for path in small.packages("v2") if path.name.startswith("note-1-")]
    (job,) = [one["key"] for one in small.jobs() if one["cpv"] == "app-misc/note-1"]

    client = Root.create(work / "client", environments.environment(), [small.repository])
    gnupg = client.path / "etc/portage/gnupg"
    manage.add(TrustDirectory(client.path), gnupg, "lab", key.fingerprint, key.public(), "the test")
    with httpd.serve(work / "tree-v2") as server:
        client.etc("binrepos.conf/lab.conf", binrepo(client, "lab", f"{server.url}/production"))
        told = json.loads(client.run("portage-ext", "provenance", str(package), "--json").ok().stdout)
        said = client.run("portage-ext", "provenance", str(package)).ok().stdout
    assert (told["verified"], told["builder"]) == (True, platform.node())
    made = told["record"]
    assert (made["cpv"], made["repository"], made["job"]) == ("app-misc/note-1", "tiny", job)
    assert made["variables"]["CFLAGS"] == "-O2 -march=x86-64-v2", "of the target, and not of the builder"
    assert "app-misc/tool-1" in made["dependencies"]
    words = " ".join(said.split())
    assert f"environment job {job}" in words, said
    assert words.endswith(f"builder {platform.node()}"), said

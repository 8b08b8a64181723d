"""`target add` makes a system from a signed archive and captures it: real gpg judges the signature, and real Portage reads the
system. The archive has no emerge, so the Portage of this host reads it."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from tests.testkit import environments, keys
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root unpacks a system with its owners")


def test_a_signed_archive_becomes_a_target(work: Path) -> None:
    repository = EbuildRepository.create(work / "tiny")
    builder = Root.create(work / "builder", environments.environment(), [repository], USE="foo", CFLAGS="-O2 -march=x86-64-v2")
    tree, archive, into = work / "tree", work / "stage3.tar.xz", work / "srv/laptop"
    for name in ("etc/portage", "usr/bin", "var/db/pkg", "var/lib/portage"):
        (tree / name).mkdir(parents=True)
    with tarfile.open(archive, "w:xz") as out:
        out.add(tree, ".")
    home = work / "gpg"
    home.mkdir(0o700)
    key = keys.new_key(home)
    signature, public = work / "stage3.tar.xz.asc", work / "release.asc"
    keys.gpg(home, "--detach-sign", "--armor", "--output", str(signature), str(archive))
    public.write_bytes(key.public())
    keys.kill_agents(home)
    # A binhost's builder.json: how this builder is configured.
    published = work / "published"
    published.mkdir()
    (published / "builder.json").write_text(builder.run("portage-ext", "compare", "--print").ok().stdout)
    builder.etc("binrepos.conf", f"[lab]\nsync-uri = file://{published}\n")
    assert "target far: " in builder.run("portage-ext", "target", "add", "far", "--from-binhost", "lab").ok().stdout

    proof = ("--signature", str(signature), "--key", key.fingerprint, "--key-file", str(public))
    words = ("portage-ext", "target", "add", "laptop", "--stage", str(archive), "--profile", "default/linux/amd64")
    added = builder.run(*words, *proof, "--into", str(into), "--like", "far").ok()
    assert f"made {into} from stage3.tar.xz" in added.stdout
    shown = builder.run("portage-ext", "target", "show", "laptop").ok().stdout
    assert f"root {into}" in shown
    assert "-O2 -march=x86-64-v2" in shown
    assert "tiny" in shown
    assert 'USE="foo' in (into / "etc/portage/make.conf").read_text()

    unproved = builder.run(*words, "--into", str(work / "other")).failed()
    assert "they prove whose archive it is" in unproved.stderr
    archive.write_bytes(archive.read_bytes() + b"\0" * 8)
    refused = builder.run(*words, *proof, "--into", str(work / "other")).failed()
    assert "does not fit the signed text" in refused.stderr
    assert not (work / "other").exists()

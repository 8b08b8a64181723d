"""A tree that is signed as a whole (GLEP 74) is verified by Portage's own module before anything is picked from it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.system.repositories.overlays import Client, Overlay
from tests.testkit import daemon, environments, keys


def sign(tree: Path, key: keys.SigningKey, gemato: Path, timestamp: str) -> None:
    """Make the Manifest of a whole tree anew, and sign it."""
    (tree / "metadata/timestamp.chk").write_text(f"{timestamp}\n")
    (tree / "Manifest").unlink(missing_ok=True)
    command = [str(gemato / "bin/gemato"), "create", "--hashes", "BLAKE2B SHA512", "--timestamp", "--sign", "--openpgp-id"]
    environment = {**os.environ, "GNUPGHOME": str(key.home)}
    done = subprocess.run([*command, key.fingerprint, str(tree)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_only_a_tree_as_it_was_signed_is_picked_from(work: Path, client: Client, guru: Overlay, port: int) -> None:
    gemato = environments.programs("gemato", ["gemato==20.15"])
    key = keys.new_key(work / "gnupg")
    sign(guru.location, key, gemato, "Thu, 26 Nov 2026 00:00:00 +0000")
    (work / "key.asc").write_bytes(key.public())
    (work / "rsyncd.conf").write_text(f"use chroot = no\n[guru]\npath = {guru.location}\nuid = {os.getuid()}\n")
    command = ["rsync", "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={work}/rsyncd.conf"]
    client.configure(
        f"rsync://127.0.0.1:{port}/guru",
        sync_rsync_verify_metamanifest="yes",
        sync_rsync_verify_jobs="1",
        sync_openpgp_key_path=str(work / "key.asc"),
        sync_openpgp_key_refresh="no",
    )
    client.list("app-misc/keyd::guru")
    # As an installed dev-python/gemato would be found.
    library = {"PYTHONPATH": str(next(gemato.glob("lib/python3*/site-packages")))}
    with daemon.running(command, port):
        client.sync(**library).ok()
        assert client.packages() == {"app-misc/keyd", "acct-group/keyd", "dev-libs/more"}
        # A file that somebody put in on the way.
        guru.data("app-misc/keyd-6.6.6")
        guru.write("metadata/timestamp.chk", "Thu, 26 Nov 2026 01:00:00 +0000\n")
        said = client.sync(**library).failed()
        assert "Manifest verification failed" in said.text, str(said)
        assert not (client.picked() / "app-misc/keyd/keyd-6.6.6.ebuild").exists()
        # Signed, but by somebody else.
        other = keys.new_key(work / "other")
        sign(guru.location, other, gemato, "Thu, 26 Nov 2026 02:00:00 +0000")
        client.sync(**library).failed()
        assert not (client.picked() / "app-misc/keyd/keyd-6.6.6.ebuild").exists()
        sign(guru.location, key, gemato, "Thu, 26 Nov 2026 03:00:00 +0000")
        client.sync(**library).ok()
        assert (client.picked() / "app-misc/keyd/keyd-6.6.6.ebuild").exists()
    for home in (key.home, other.home):
        keys.kill_agents(home)

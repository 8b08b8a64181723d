"""Who signs with a locked key is asked by gpg's own agent: no passphrase goes through portage-ext."""

from __future__ import annotations

from pathlib import Path

from portage_ext.gpkg.sign import sign_package
from portage_ext.gpkg.verify import verify_packages
from portage_ext.trust.gpg import judge_many
from portage_ext.trust.signer import GpgSigner, signing_key
from tests.testkit import binpkgs, keys


def test_a_passphrase_is_the_agents_business(work: Path) -> None:
    home = work / "secret"
    home.mkdir(mode=0o700)
    asker = home / "pinentry"
    # A pinentry, as gpg-agent talks to it (Assuan), that knows the passphrase as a person would.
    asker.write_text(
        "#!/bin/sh\necho OK\nwhile read -r word rest; do case $word in\n"
        'GETPIN) echo "D sesame"; echo OK;; BYE) echo OK; exit;; *) echo OK;; esac; done\n'
    )
    asker.chmod(0o700)
    # Without a count the agent tries for seconds how strong a passphrase can be made on this machine.
    (home / "gpg-agent.conf").write_text(f"pinentry-program {asker}\nallow-loopback-pinentry\ns2k-count 65536\n")
    options = ("--pinentry-mode", "loopback", "--passphrase", "sesame")
    keys.gpg(home, *options, "--quick-generate-key", "Locked <l@example.invalid>", "ed25519", "sign", "never")
    keys.kill_agents(home)
    try:
        signer = GpgSigner(signing_key(home, None), home)
        path = work / "foo-1-1.gpkg.tar"
        path.write_bytes(binpkgs.gpkg(binpkgs.metadata("app-misc/foo-1", BUILD_ID="1")))
        sign_package(path, signer)
        ring = work / "ring.gpg"
        ring.write_bytes(keys.gpg(home, "--export", signer.key.fingerprint))
        assert verify_packages([path], judge_many([ring], frozenset({signer.key.fingerprint})))[path] is None
    finally:
        keys.kill_agents(home)

"""OpenPGP keys for the sandbox: a signing home, and the keyring that getuto would make on a client."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

QUICK = ("--pinentry-mode", "loopback", "--passphrase", "")
AGENT = "allow-loopback-pinentry\ns2k-count 65536\n"
"""Without a count the agent tries for seconds how strong a passphrase can be made on this machine."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret key without a passphrase in a home of its own. ``home`` must be short: agent sockets have long names."""

    home: Path
    fingerprint: str

    def public(self) -> bytes:
        """The ASCII-armoured public key."""
        return gpg(self.home, "--armor", "--export", self.fingerprint)


def gpg(home: Path, *arguments: str, stdin: bytes | None = None) -> bytes:
    """Run gpg in ``home`` and return what it printed; raises CalledProcessError."""
    command = ["gpg", "--homedir", str(home), "--batch", "--no-tty", "--quiet", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


def kill_agents(home: Path) -> None:
    """Stop whatever gpg started for ``home``."""
    # An agent that runs has sockets, in the home where the user has no directory for such. Each question is four processes.
    if not Path(f"/run/user/{os.geteuid()}").exists() and not any(home.glob("S.*")):
        return
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
    # The agent takes its sockets away after it has answered; who removes the home meanwhile stumbles over them.
    for _ in range(1000):
        if not any(home.glob("S.*")):
            break
        time.sleep(0.02)


def new_key(
    home: Path, user_id: str = "Tiny Binhost <binhost@example.invalid>", passphrase: str = "", since: str = ""
) -> SigningKey:
    """Generate an ed25519 signing key, made at ``since`` as gpg's --faked-system-time takes it."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    (home / "gpg-agent.conf").write_text(AGENT)
    gpg(
        home,
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        passphrase,
        *(("--faked-system-time", since) if since else ()),
        "--quick-generate-key",
        user_id,
        "ed25519",
        "sign",
        "never",
    )
    listing = gpg(home, "--with-colons", "--list-secret-keys").decode()
    fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
    return SigningKey(home, fingerprint)


def expired_key(home: Path, user_id: str = "Old <old@example.invalid>") -> SigningKey:
    """Generate a signing key that expired yesterday."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    (home / "gpg-agent.conf").write_text(AGENT)
    before = time.strftime("%Y%m%dT%H%M%S!", time.gmtime(time.time() - 2 * 86400))
    gpg(home, *QUICK, "--faked-system-time", before, "--quick-generate-key", user_id, "ed25519", "sign", "1d")
    listing = gpg(home, "--with-colons", "--list-secret-keys", f"={user_id}").decode()
    return SigningKey(home, next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")))


def prolong(key: SigningKey) -> None:
    """Have ``key`` expire no more, as its owner would."""
    gpg(key.home, *QUICK, "--quick-set-expire", key.fingerprint, "never")


def trust(home: Path, key: SigningKey) -> None:
    """Make ``home`` a keyring that trusts ``key`` and that Portage can use after it has dropped to nobody."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    # nobody can neither lock nor write here
    (home / "gpg.conf").write_text("lock-never\nno-permission-warning\n")
    gpg(home, "--import", stdin=key.public())
    gpg(home, "--import-ownertrust", stdin=f"{key.fingerprint}:6:\n".encode())
    gpg(home, "--check-trustdb")
    kill_agents(home)
    for path in home.iterdir():
        if path.name.startswith("S.") or path.suffix == ".lock" or path.name.endswith("~"):
            path.unlink()
    for directory, _, files in os.walk(home):
        Path(directory).chmod(0o755)
        for name in files:
            (Path(directory) / name).chmod(0o644)

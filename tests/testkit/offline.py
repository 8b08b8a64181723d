"""Root keys as an administrator keeps them: a gpg home and a directory of roots, made and signed by the command line."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from portage_ext.cli.main import main
from portage_ext.model.root import Root
from portage_ext.releases import roots
from portage_ext.trust import root as root_text
from tests.testkit import keys
from tests.testkit.keys import SigningKey

QUICK = ("--pinentry-mode", "loopback", "--passphrase", "")


@dataclass(slots=True)
class Offline:
    """The machine without a network: ``home`` has the root keys, by name, ``directory`` the roots."""

    home: Path
    directory: Path
    roots: dict[str, str]

    @classmethod
    def create(cls, work: Path, *names: str) -> Offline:
        """A machine with a root key for each of ``names``."""
        home = work / "off"
        work.mkdir(exist_ok=True)
        home.mkdir(mode=0o700)
        made = cls(home, work / "roots", {})
        for name in names:
            made.another(name)
        return made

    def copied(self, work: Path) -> Offline:
        """A machine with the same root keys. The agent of this one is not running."""
        shutil.copytree(self.home, work / "off")
        return Offline(work / "off", work / "roots", dict(self.roots))

    def another(self, name: str) -> str:
        """Make another root key, and return its fingerprint."""
        keys.gpg(self.home, *QUICK, "--quick-generate-key", f"{name} <{name}@example.invalid>", "ed25519", "sign", "never")
        listing = keys.gpg(self.home, "--with-colons", "--list-keys", f"={name} <{name}@example.invalid>").decode()
        self.roots[name] = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
        return self.roots[name]

    def knows(self, *released: SigningKey) -> list[str]:
        """Import the public keys of a binhost, as its administrator would after a look at the fingerprints."""
        for key in released:
            keys.gpg(self.home, "--import", stdin=key.public())
        return [key.fingerprint for key in released]

    def public(self, name: str) -> bytes:
        return keys.gpg(self.home, "--armor", "--export", self.roots[name])

    def run(self, *words: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `portage-ext root` in this process: hundreds of roots are made, and a Python takes longer than each."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(["root", *words])
            except SystemExit as ended:
                status = int(ended.code or 0)
        done = subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return done

    def init(self, roots: str, threshold: int, *released: SigningKey, more: tuple[str, ...] = ()) -> None:
        """Make the first root, of the root keys called by the words of ``roots``, and sign it with all of them."""
        chosen = [self.roots[name] for name in roots.split()]
        named = self.knows(*released)
        self.run(
            *("init", str(self.directory), "--homedir", str(self.home), "--root-key", *chosen),
            *("--root-threshold", str(threshold), "--release-key", *named, *more),
        )
        self.sign(*roots.split())

    def next(self, *more: str, roots: str = "", released: tuple[SigningKey, ...] = (), signers: str = "") -> None:
        """Make the next root, signed by ``signers`` (empty: by every root key that may)."""
        words = [*more]
        if roots:
            words += ["--root-key", *(self.roots[name] for name in roots.split())]
        if released:
            words += ["--release-key", *self.knows(*released)]
        self.run("next", str(self.directory), "--homedir", str(self.home), *words)
        self.sign(*signers.split())

    def sign(self, *names: str) -> None:
        """Sign the last root with the keys called so, or with all that gpg has; whether they are enough is not looked at."""
        by = ["--key", *(self.roots[name] for name in names)] if names else []
        done = self.run("sign", str(self.directory), "--homedir", str(self.home), *by, ok=False)
        assert "signed by" in done.stdout, done.stdout + done.stderr

    def last(self) -> Root:
        found = roots.newest(self.directory)
        assert found is not None
        return found

    def forge(self, root: Root, signers: str) -> None:
        """Write ``root`` as the last one and sign it, whatever `portage-ext root` would say to it."""
        data = root_text.emit(root)
        (self.directory / str(root.version)).write_bytes(data)
        by = [word for name in signers.split() for word in ("--local-user", self.roots[name])]
        signed = keys.gpg(self.home, *QUICK, "--armor", "--digest-algo", "SHA512", *by, "--detach-sign", stdin=data)
        (self.directory / f"{root.version}.asc").write_bytes(signed)

    def give(self, base: Path) -> None:
        """Copy the roots to where they are served, whatever they are: what an attacker or a careless hand would do."""
        shutil.copytree(self.directory, base / "root", dirs_exist_ok=True)

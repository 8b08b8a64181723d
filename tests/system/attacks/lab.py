"""A binhost with a Release, a client that verifies it, and an attacker who holds the server but not the key."""

from __future__ import annotations

import gzip
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import zstandard

from portage_ext.config import binrepos
from portage_ext.errors import trust as errors
from portage_ext.model.release import IndexFile, Release
from portage_ext.releases.in_place import current
from portage_ext.trust import manage
from portage_ext.trust import next_release as publish
from portage_ext.trust import release as release_text
from portage_ext.trust.keyrings import TrustDirectory
from portage_ext.trust.memory import STATE_DIRECTORY
from portage_ext.trust.signer import GpgSigner
from portage_ext.trust.signer import SigningKey as Signing
from tests.testkit import environments, httpd, keys, portages
from tests.testkit.binhost import Binhost
from tests.testkit.keys import SigningKey
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

REPO = "lab"
VARIABLE = "ATTACK_PORTAGES"
PATIENT = "[fetch]\nretries = 0\n"


def hasty(seconds: int) -> str:
    """Settings for mirrors that are slow for ever. A busy machine may make an honest one slow too, for a moment."""
    return f"{PATIENT}low-speed-time = {seconds}\n\n"


@dataclass(frozen=True, slots=True)
class TrustedBinhost:
    """A PKGDIR whose packages are signed by ``key``, with an index that has strong digests, and a Release. Read only.

    ``memory`` is what a client remembers that has verified the Release.
    """

    binhost: Binhost
    pkgdir: Path
    key: SigningKey
    memory: Path


def build(work: Path, standard: Binhost) -> TrustedBinhost:
    """Sign the packages of the standard binhost anew, index and release them, all by the command line."""
    key = keys.new_key(work / "key")
    root = Root.create(
        work / "host", environments.environment(), [standard.repository], BINPKG_GPG_VERIFY_GPG_HOME=str(work / "gnupg")
    )
    keys.trust(work / "gnupg", key)
    shutil.copytree(standard.pkgdir, root.pkgdir, dirs_exist_ok=True)
    root.run("portage-ext", "sign", "--key", key.fingerprint, "--homedir", str(key.home)).ok()
    root.run("portage-ext", "release", "sign", "--key", key.fingerprint, "--homedir", str(key.home)).ok()
    made = TrustedBinhost(standard, root.pkgdir, key, work / STATE_DIRECTORY)
    with httpd.serve(made.pkgdir) as server, lab(work, made, server.url, made.pkgdir) as first:
        first.accepted()
        shutil.copytree(first.client.path / STATE_DIRECTORY, made.memory)
    return made


@dataclass(slots=True)
class Lab:
    """``directory`` is what the server serves, ``client`` trusts ``key`` for the binrepo ``lab``."""

    directory: Path
    key: SigningKey
    client: Root
    url: str
    memory: Path

    # --- the binhost, with the key

    def index(self) -> str:
        return (self.directory / "Packages").read_text()

    def write_index(self, text: str) -> None:
        """All forms of the index, as whoever holds the server can write them."""
        for name, data in self._forms(text).items():
            (self.directory / name).write_bytes(data)

    def sizes(self, text: str) -> dict[str, int]:
        """How large each form of an index would be."""
        return {name: len(data) for name, data in self._forms(text).items()}

    def _forms(self, text: str) -> dict[str, bytes]:
        data = text.encode()
        return {
            "Packages": data,
            "Packages.gz": gzip.compress(data, 1),
            "Packages.zst": zstandard.ZstdCompressor().compress(data),
        }

    def edit(self, pattern: str, new: str, *, package: str = "") -> None:
        """Replace one line of the index, or of the entry of ``package`` (CPV)."""
        text = self.index()
        if not package:
            changed = re.sub(pattern, new, text, count=1, flags=re.M)
        else:
            blocks = text.split("\n\n")
            at = next(number for number, block in enumerate(blocks) if f"CPV: {package}\n" in block)
            blocks[at] = re.sub(pattern, new, blocks[at] + "\n", count=1, flags=re.M).rstrip("\n")
            changed = "\n\n".join(blocks)
        assert changed != text
        self.write_index(changed)

    def files(self) -> tuple[IndexFile, ...]:
        forms = {name: (self.directory / name).read_bytes() for name in ("Packages", "Packages.gz", "Packages.zst")}
        return publish.index_files(forms)

    def release(self) -> Release:
        found = current(self.directory)
        assert found is not None
        return found

    def publish(self, key: SigningKey | None = None, **changes: object) -> None:
        """Sign a Release for the index as it is; ``changes`` to its fields make it what an attacker with a key would."""
        before = replace(self.release(), version=1) if "version" in changes else self.release()
        made = publish.next_release(before, self.files(), now=int(time.time()), validity=86400, channel=before.channel)
        self.write_release(release_text.emit(replace(made, **changes)), key)  # type: ignore[arg-type]

    def write_release(self, data: bytes, key: SigningKey | None = None) -> None:
        signing = key or self.key
        signer = GpgSigner(Signing(signing.fingerprint, signing.fingerprint), signing.home)
        (self.directory / "Release").write_bytes(data)
        (self.directory / "Release.asc").write_bytes(signer.detach(data))

    def withdraw_release(self) -> None:
        for name in ("Release", "Release.asc"):
            (self.directory / name).unlink()

    def package(self, cpv: str) -> Path:
        """The file of ``cpv`` (build 1)."""
        category, pf = cpv.split("/")
        return self.directory / category / re.sub(r"-\d.*", "", pf) / f"{pf}-1.gpkg.tar"

    # --- the client

    def settings(self, release: str = "required", more: str = "", name: str = REPO, patience: str = PATIENT) -> None:
        self.client.etc("portage-ext.toml", f'{patience}[binrepo.{name}]\nrelease = "{release}"\n{more}')

    def pin(self, key: SigningKey, name: str = REPO) -> None:
        directory = TrustDirectory(self.client.path)
        manage.add(directory, self.client.path / "etc/portage/gnupg", name, key.fingerprint, key.public(), "the test")

    def emerge(self, *arguments: str, **variables: Any) -> Outcome:
        return self.client.run("emerge", "-1", "--getbinpkgonly", "--color=n", *arguments, **variables)

    def refused(self, error: str, *packages: str, **variables: Any) -> Outcome:
        """Run emerge and hold it to: that class of error was said, nothing was merged, nothing is left to merge later."""
        downloads = self.client.path / "var/cache/binhost" / REPO
        installed, files = self.client.installed(), set(downloads.rglob("*.gpkg.tar"))
        outcome = self.emerge(*(packages or ("app-misc/flags",)), **variables)
        assert f"[{errors.kind_of(getattr(errors, error))}]" in outcome.text, outcome
        assert outcome.status != 0, outcome
        assert self.client.installed() == installed, outcome
        assert set(downloads.rglob("*.gpkg.tar")) == files, outcome
        return outcome

    def accepted(self, *packages: str) -> Outcome:
        """Run emerge and hold it to: the packages come, and Portage verifies them; `make test-attacks` merges them, too.

        From there on all is Portage's own and takes longer than what comes before. :meth:`merged` always goes on.
        """
        if portages.every(VARIABLE):
            return self.merged(*packages)
        wanted = packages or ("app-misc/flags",)
        outcome = self.emerge("--fetchonly", *wanted).ok()
        for atom in wanted:
            cp = re.sub(r"-\d.*|:.*", "", atom.lstrip("="))
            assert list((self.client.path / "var/cache/binhost" / REPO).glob(f"{cp}/*.gpkg.tar")), outcome
        return outcome

    def remembers(self) -> None:
        """The client has verified Release 1 and its index, as by :meth:`accepted`, which one client did for all tests."""
        shutil.copytree(self.memory, self.client.path / STATE_DIRECTORY)

    def merged(self, *packages: str) -> Outcome:
        """Run emerge and hold it to: the packages are merged as binaries."""
        outcome = self.emerge(*(packages or ("app-misc/flags",))).ok()
        assert set(self.client.merged().values()) == {"binary"}, outcome
        return outcome


@contextmanager
def lab(work: Path, trusted: TrustedBinhost, url: str, directory: Path, version: str = environments.NEWEST) -> Iterator[Lab]:
    """A laboratory of its own for one test; its client has Portage ``version``."""
    gnupg = work / "client/etc/portage/gnupg"
    client = Root.create(
        work / "client",
        environments.environment(version),
        [trusted.binhost.repository],
        features="getbinpkg",
        BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg),
    )
    made = Lab(directory, trusted.key, client, url, trusted.memory)
    made.settings()
    made.pin(trusted.key)
    client.etc("binrepos.conf/lab.conf", binrepo(client, REPO, url))
    assert binrepos.connect(client.path, REPO)
    yield made


def binrepo(client: Root, name: str, url: str) -> str:
    """A section of binrepos.conf as an administrator writes it."""
    return (
        f"[{name}]\npriority = 1\nsync-uri = {url}\nverify-signature = true\n"
        f"location = {client.path}/var/cache/binhost/{name}\n"
    )


def flip(path: Path, position: Callable[[int], int] = lambda size: size // 2) -> None:
    """Turn over the bits of one byte."""
    data = bytearray(path.read_bytes())
    data[position(len(data))] ^= 0xFF
    path.write_bytes(bytes(data))

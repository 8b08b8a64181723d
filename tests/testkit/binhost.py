"""A signing binhost, built once by real emerge and shared by every test worker.

The result lies below ``.cache`` under a name made from everything that went into it, so that it is built again when the
ebuilds, Portage or this module change. Tests only read it; one that changes packages copies it first.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.testkit import ebuilds, environments, keys, roots
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.keys import SigningKey
from tests.testkit.roots import Root

OLDER = ("=app-misc/hello-1.0", "=app-misc/flags-1.0", "=dev-libs/libtiny-1.0")
NEWEST = (
    "app-misc/hello", "app-misc/cxxhello", "dev-libs/libtiny", "app-misc/usestiny", "app-misc/flags", "app-misc/slotted:1",
    "app-misc/slotted:2", "kde-apps/beta", "net-libs/webkit",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Binhost:
    """A finished PKGDIR, its ebuild repository, and the public key that its packages are signed with."""

    directory: Path

    @property
    def pkgdir(self) -> Path:
        return self.directory / "binpkgs"

    @property
    def repository(self) -> EbuildRepository:
        return EbuildRepository(self.directory / "repo", "tiny")

    @property
    def gnupg(self) -> Path:
        """A keyring that trusts the signing key; Portage's BINPKG_GPG_VERIFY_GPG_HOME."""
        return self.directory / "gnupg"

    @property
    def fingerprint(self) -> str:
        return (self.directory / "fingerprint").read_text().strip()


def signing_root(path: Path, repository: EbuildRepository, key: SigningKey, *, version: str = environments.NEWEST) -> Root:
    """A system that builds gpkgs and signs them with ``key``; Portage alone, as binhosts are today."""
    gnupg = path / "etc/portage/gnupg"
    root = Root.create(
        path,
        environments.environment(version, plugin=False),
        [repository],
        features="buildpkg binpkg-multi-instance binpkg-signing",
        BINPKG_GPG_SIGNING_GPG_HOME=str(key.home),
        BINPKG_GPG_SIGNING_KEY=f"0x{key.fingerprint}",
        BINPKG_GPG_SIGNING_BASE_COMMAND=(f"/usr/bin/flock {path}/gpg.lock /usr/bin/gpg --sign --armor [PORTAGE_CONFIG]"),
        BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg),
    )
    keys.trust(gnupg, key)
    return root


def standard() -> Binhost:
    """The binhost of the standard repository."""
    here = Path(__file__).parent
    recipe = hashlib.sha256(b"".join((here / n).read_bytes() for n in ("binhost.py", "ebuilds.py", "roots.py", "keys.py")))
    name = f"binhost-{environments.NEWEST}-{recipe.hexdigest()[:12]}"
    binhost = Binhost(environments.CACHE / name)
    with environments.locked("binhost"):
        if not binhost.directory.is_dir():
            for old in environments.CACHE.glob("binhost-*/"):
                shutil.rmtree(old)
            _build(binhost.directory)
    return binhost


def _build(destination: Path) -> None:
    # gpg's sockets need a short path, and the checkout may lie anywhere.
    with tempfile.TemporaryDirectory(prefix="pe-", ignore_cleanup_errors=True) as name:
        work = Path(name)
        work.chmod(0o755)
        repository = ebuilds.standard(work / "repo")
        key = keys.new_key(work / "key")
        try:
            root = signing_root(work / "r", repository, key)
            root.run("egencache", "--update", "--repo", repository.name, "--jobs", "2").ok()
            root.emerge("-1", "--jobs", "2", "--quiet", *OLDER).ok()
            root.emerge("-1", "--jobs", "2", "--quiet", *NEWEST).ok()
            root.run("emaint", "binhost", "--fix").ok()
        finally:
            keys.kill_agents(key.home)
        partial = destination.with_name("binhost.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        shutil.copytree(root.pkgdir, partial / "binpkgs", ignore=shutil.ignore_patterns("*.portage_lockfile", "*.lock"))
        shutil.copytree(work / "repo", partial / "repo")
        keys.trust(partial / "gnupg", key)
        (partial / "fingerprint").write_text(key.fingerprint + "\n")
        partial.rename(destination)


def client(
    path: Path,
    binhost: Binhost,
    urls: dict[str, str],
    *,
    version: str = environments.NEWEST,
    plugin: bool = True,
    layout: roots.Layout = "prefix",
    features: str = "",
    **settings: str,
) -> Root:
    """A system that verifies packages from the binrepos ``urls`` (name to URL, lowest priority first)."""
    gnupg = path / "etc/portage/gnupg"
    environment = environments.environment(version, plugin=plugin)
    root = Root.create(
        path,
        environment,
        [binhost.repository],
        layout=layout,
        features=features,
        BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg),
        **settings,
    )
    shutil.copytree(binhost.gnupg, gnupg, ignore=shutil.ignore_patterns("S.*"))
    text = ""
    for priority, (name, url) in enumerate(urls.items(), 1):
        location = path / "var/cache/binhost" / name
        text += f"[{name}]\npriority = {priority}\nsync-uri = {url}\nverify-signature = true\nlocation = {location}\n\n"
    root.etc("binrepos.conf", text)
    return root

"""A binhost that publishes by the command line, and clients of its channels: real emerge on both sides, real signatures."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from portage_ext.config import binrepos
from portage_ext.trust import manage
from portage_ext.trust.keyrings import TrustDirectory
from tests.system.attacks.lab import binrepo
from tests.testkit import environments, keys
from tests.testkit.binhost import Binhost
from tests.testkit.environments import Environment
from tests.testkit.keys import SigningKey
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

SETTINGS = """
[sign]
key = "{key}"
homedir = "{home}"

[publish]
tree = "{tree}"
into = "staging"
keep = 3
keep-days = 0
grace-hours = {grace}
licences = ["@FREE"]
sample = 1
provided = ["sys-libs/glibc"]

[publish.channel.staging]
gates = ["index", "signatures"]
"""


@dataclass(slots=True)
class Host:
    """``root`` has the packages of the standard binhost, signed by ``key``, and publishes in ``tree``."""

    root: Root
    tree: Path
    key: SigningKey
    binhost: Binhost

    @property
    def gnupg(self) -> Path:
        """The keyring that Portage verifies with."""
        return self.root.path / "etc/portage/gnupg"

    def run(self, *command: str) -> Outcome:
        return self.root.run("portage-ext", *command)

    def channel(self, name: str) -> int:
        return int((self.tree / name).readlink().name)

    def configure(self, *, grace: float = 1, more: str = "") -> None:
        text = SETTINGS.format(key=self.key.fingerprint, home=self.key.home, tree=self.tree, grace=grace)
        self.root.etc("portage-ext.toml", text + more)

    def remove(self, pattern: str) -> None:
        """Remove packages from PKGDIR, as `emaint`, `eclean-pkg` or a person would."""
        for path in self.root.pkgdir.glob(pattern):
            path.unlink()


def _empty(work: Path, binhost: Binhost, key: SigningKey) -> Host:
    gnupg = work / "host/etc/portage/gnupg"
    root = Root.create(work / "host", environments.environment(), [binhost.repository], BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg))
    made = Host(root, work / "tree", key, binhost)
    made.configure()
    return made


def signed(work: Path, binhost: Binhost) -> Host:
    """A host that has signed its packages, to be copied: read only."""
    made = _empty(work, binhost, keys.new_key(work / "key"))
    keys.trust(made.gnupg, made.key)
    shutil.copytree(binhost.pkgdir, made.root.pkgdir, dirs_exist_ok=True)
    made.run("sign", "--config-root", str(made.root.path)).ok()
    keys.kill_agents(made.key.home)
    return made


def host(work: Path, like: Host) -> Host:
    """A publishing host of its own below ``work``, with key and packages ``like`` those, and nothing published yet."""
    key = SigningKey(work / "key", like.key.fingerprint)
    shutil.copytree(like.key.home, key.home, ignore=shutil.ignore_patterns("S.*"))
    made = _empty(work, like.binhost, key)
    shutil.copytree(like.gnupg, made.gnupg)
    shutil.copytree(like.root.pkgdir, made.root.pkgdir, dirs_exist_ok=True)
    return made


def client(
    work: Path, of: Host, url: str, name: str = "client", *, fetcher: bool = True, portage: Environment | None = None
) -> Root:
    """A client that trusts the key of ``of`` and follows the channel at ``url``, through our fetcher or with Portage's.

    It has ``portage`` (None: the newest, with portage-ext).
    """
    gnupg = work / name / "etc/portage/gnupg"
    root = Root.create(
        work / name,
        portage or environments.environment(),
        [of.binhost.repository],
        features="getbinpkg",
        BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg),
    )
    root.etc("portage-ext.toml", "[fetch]\nretries = 2\n")
    manage.add(TrustDirectory(root.path), gnupg, "lab", of.key.fingerprint, of.key.public(), "the test")
    root.etc("binrepos.conf/lab.conf", binrepo(root, "lab", url))
    if fetcher:
        assert binrepos.connect(root.path, "lab")
    return root


def trusting(binhost: Binhost, directory: Path, key: SigningKey) -> Binhost:
    """The standard binhost's ebuilds, with a keyring that trusts ``key`` instead of its own."""
    directory.mkdir()
    (directory / "repo").symlink_to(binhost.repository.location)
    keys.trust(directory / "gnupg", key)
    return Binhost(directory)

"""The two systems of the demo: a binhost that publishes by itself, and a client that takes its packages."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.testkit import environments, keys, requirements
from tests.testkit.chain import ChainRepository
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.environments import CHECKOUT
from tests.testkit.keys import SigningKey
from tests.testkit.roots import Root

NEW_SYMBOLS = "GLIBCXX_3.4.99"
"""A symbol version that no libstdc++ outside the demo defines."""
BINHOST = """
[sign]
key = "{key}"
homedir = "{home}"

[publish]
tree = "{tree}"
into = "production"
gates = ["index", "signatures", "contracts"]
# Programs are published together with their new toolchain: this client has portage-ext, and sees what is too new for it.
toolchain-hours = 0

[binhost]
after-emerge = "publish"
"""


def ebuilds(location: Path) -> EbuildRepository:
    """Three small programs, and a compiler whose new library a fourth program needs."""
    made = ChainRepository.create(location, "demo")
    made.write("profiles/categories", "app-misc\nnet-libs\nsys-devel\n")
    hello = '#include <stdio.h>\nint main(void) { puts("hello " VERSION); return 0; }\n'
    made.c_program("app-misc/hello-1.1", hello)
    made.c_program("app-misc/greeter-1.0", hello)
    made.data("net-libs/webkit-1.0", IUSE="+jit")
    # The name and the library of the real one, with one function in it: the demo is not to build gcc.
    made.library("sys-devel/gcc-14.1", "libstdc++.so.6", ["GLIBCXX_3.4", NEW_SYMBOLS], SLOT="14")
    made.program("app-misc/cxxtool-1", [("libstdc++.so.6", NEW_SYMBOLS)])
    return made


def binhost(path: Path, repository: EbuildRepository, key: SigningKey, tree: Path) -> Root:
    """A machine that builds. Two things make it a binhost: FEATURES=buildpkg, and [binhost] in portage-ext.toml."""
    root = _root(path, repository, "buildpkg binpkg-multi-instance")
    keys.trust(path / "etc/portage/gnupg", key)
    root.etc("portage-ext.toml", BINHOST.format(key=key.fingerprint, home=key.home, tree=tree).lstrip())
    return root


def client(path: Path, repository: EbuildRepository, url: str) -> Root:
    """A machine that wants some packages from the binhost. FEATURES=getbinpkg is off."""
    root = _root(path, repository, "")
    (path / "etc/portage/binrepos.conf").mkdir()
    location = path / "var/cache/binhost/demo"
    root.etc("binrepos.conf/demo.conf", f"[demo]\nsync-uri = {url}\nlocation = {location}\nverify-signature = true\n")
    return root


def _root(path: Path, repository: EbuildRepository, features: str) -> Root:
    root = Root.create(
        path,
        environments.environment(),
        [repository],
        features=features,
        BINPKG_COMPRESS="zstd" if requirements.find("zstd") else "gzip",
        BINPKG_GPG_VERIFY_GPG_HOME=f"{path}/etc/portage/gnupg",
    )
    root.etc("bashrc", f'source "{CHECKOUT}/bashrc.d/portage-ext.bashrc"\n')
    return root


def remove(root: Root, package: str) -> None:
    """Forget that ``package`` (category/name) is installed, and what was downloaded of it."""
    category, name = package.split("/")
    for entry in (root.path / "var/db/pkg" / category).glob(f"{name}-*"):
        shutil.rmtree(entry)
    root.forget_downloads()

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.whitelist.conftest import binhost_copy
from tests.testkit import environments, httpd
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.httpd import Server
from tests.testkit.roots import Root

__all__ = ["binhost_copy"]
PROFILE = "profiles/default/linux/amd64/make.defaults"


@dataclass(slots=True)
class Site:
    """A binhost that builds, and a client that whitelists all of it; each with a tree of its own."""

    builder: Root
    client: Root
    server: Server
    ready: Path
    """A PKGDIR with app-misc/a-1, which a binhost like this one has built for all tests."""

    @property
    def there(self) -> EbuildRepository:
        """The binhost's tree."""
        return self.builder.repositories[0]

    @property
    def here(self) -> EbuildRepository:
        """The client's tree."""
        return self.client.repositories[0]

    def both(self, cpv: str, **variables: str) -> None:
        """A package in both trees."""
        self.there.data(cpv, **variables)
        self.here.data(cpv, **variables)

    def build(self, *atoms: str, merge: bool = False, **variables: str) -> None:
        """Build on the binhost; to ``merge`` as well takes half as long again, and only what others bind to needs it."""
        self.builder.emerge("--oneshot" if merge else "--buildpkgonly", "--quiet", *atoms, **variables).ok()
        self.client.forget_downloads()

    def have_a(self) -> None:
        """app-misc/a-1 in both trees, and in the binhost's PKGDIR as if it had built it just now."""
        self.both("app-misc/a-1")
        shutil.copytree(self.ready, self.builder.pkgdir, dirs_exist_ok=True)

    def sync(self) -> None:
        """The binhost gets the client's tree."""
        shutil.copytree(self.here.location, self.there.location, dirs_exist_ok=True)
        for ebuild in self.there.location.glob("*/*/*.ebuild"):
            # Portage knows ebuilds that it has read by their time in whole seconds.
            os.utime(ebuild, (later := ebuild.stat().st_mtime + 60, later))

    def binaries(self, *words: str) -> set[str]:
        """What ``emerge -p`` of the client takes as binaries."""
        self.client.forget_downloads()
        return self.client.emerge("-p", *words).ok().binaries()


def tree(location: Path) -> EbuildRepository:
    """An empty ebuild repository whose profile knows the usual USE_EXPAND groups."""
    made = EbuildRepository.create(location)
    profile = location / PROFILE
    groups = "CPU_FLAGS_X86 L10N PYTHON_TARGETS VIDEO_CARDS"
    profile.write_text(profile.read_text().replace('USE_EXPAND="CPU_FLAGS_X86"', f'USE_EXPAND="{groups}"'))
    made.write("licenses/EULA", "no\n")
    return made


def binhost_of(work: Path) -> Root:
    return Root.create(
        work / "b", environments.environment(), [tree(work / "there")], features="buildpkg binpkg-multi-instance"
    )


@pytest.fixture(scope="session")
def ready() -> Iterator[Path]:
    """Read only."""
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        builder = binhost_of(Path(name))
        builder.repositories[0].data("app-misc/a-1")
        builder.emerge("--buildpkgonly", "--quiet", "app-misc/a").ok()
        yield builder.pkgdir


@pytest.fixture
def site(work: Path, ready: Path) -> Iterator[Site]:
    environment = environments.environment()
    builder = binhost_of(work)
    client = Root.create(work / "c", environment, [tree(work / "here")])
    client.etc("env/on", 'FEATURES="getbinpkg"\n')
    client.etc("package.env", "*/* on\n")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(httpd.serve(builder.pkgdir))
        conf = f"[lab]\nsync-uri = {server.url}\nlocation = {client.path}/var/cache/binhost/lab\nverify-signature = false\n"
        client.etc("binrepos.conf", conf)
        yield Site(builder, client, server, ready)

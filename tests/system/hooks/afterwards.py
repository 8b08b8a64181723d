"""A binhost whose PKGDIR is empty and whose configuration asks for work after emerge."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from portage_ext.errors import InvalidIndexError
from portage_ext.gpkg.verify import verify_packages
from portage_ext.pkgdir.signing import packages
from portage_ext.releases.contents import parse
from portage_ext.releases.pool.names import named
from portage_ext.trust import gpg
from portage_ext.unattended import log, marks
from portage_ext.unattended.marks import Mark
from tests.system.publish.site import Host
from tests.testkit import environments, keys
from tests.testkit.binhost import Binhost
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.keys import SigningKey
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Layout, Root

HOOK = environments.CHECKOUT / "etc/portage/postsync.d/portage-ext"
PUBLISH = '\n[binhost]\nafter-emerge = "publish"\n'


def extra(work: Path) -> EbuildRepository:
    """A repository over the standard one: packages that fail, that nothing satisfies, that wait in their merge to be killed."""
    repository = EbuildRepository.create(work / "extra", "extra", "tiny")
    repository.ebuild("app-misc/fails-1.0", 'pkg_setup() { die "as it should"; }\n')
    repository.ebuild("app-misc/needy-1.0", RDEPEND="app-misc/nowhere")
    waits = 'pkg_preinst() { touch "${EROOT}/tmp/reached" || die; sleep 600; }\n'
    repository.ebuild("app-misc/waits-1.0", waits)
    return repository


def building(
    work: Path,
    binhost: Binhost,
    key: SigningKey,
    *,
    more: str = PUBLISH,
    features: str = "",
    version: str = environments.NEWEST,
    layout: Layout = "prefix",
    **settings: str,
) -> Host:
    """A host that builds packages and has none; ``more`` is added to portage-ext.toml."""
    gnupg = work / "host/etc/portage/gnupg"
    root = Root.create(
        work / "host",
        environments.environment(version),
        [binhost.repository, extra(work)],
        layout=layout,
        features=f"buildpkg binpkg-multi-instance {features}",
        BINPKG_GPG_VERIFY_GPG_HOME=str(gnupg),
        **settings,
    )
    keys.trust(gnupg, key)
    made = Host(root, work / "tree", key, binhost)
    made.configure(grace=1, more=more)
    return made


def arrive(host: Host, *names: str) -> None:
    """Have packages in PKGDIR, signed and published, where it does not matter who has built them."""
    for name in names:
        pn = name.partition("-")[0]
        target = host.root.pkgdir / "app-misc" / pn
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(host.binhost.pkgdir / "app-misc" / pn / f"{name}.gpkg.tar", target)
    host.run("after-emerge").ok()


def published(host: Host, channel: str = "staging") -> set[str]:
    """The packages of the release that ``channel`` points at, by the name that the file in PKGDIR has or would have."""
    directory = host.tree / channel
    if not directory.exists():
        return set()
    contents = parse((directory / "Packages").read_bytes(), "Packages")
    here: Mapping[str, str] = {}
    with contextlib.suppress(InvalidIndexError):  # an index that Portage wrote has no strong digests
        here = named(parse((host.root.pkgdir / "Packages").read_bytes(), "Packages"), "Packages").sources

    def name(path: str) -> str:
        if path in here:
            return here[path].rpartition("/")[2].removesuffix(".gpkg.tar")
        entry = contents.entry(path)
        return f"{entry.get('CPV').partition('/')[2]}-{entry.get('BUILD_ID')}"

    return set(map(name, contents.entries))


def unsigned(host: Host) -> list[Path]:
    """The packages of PKGDIR without a valid signature of the host's key; files without content are none."""
    ring = host.root.path / "ring.gpg"
    ring.write_bytes(keys.gpg(host.key.home, "--export", host.key.fingerprint))
    paths = [path for path in packages(host.root.pkgdir) if path.stat().st_size]
    verdicts = verify_packages(paths, gpg.judge_many([ring], frozenset({host.key.fingerprint})), digests=True)
    return [path for path, error in verdicts.items() if error is not None]


def said(run: Outcome) -> list[str]:
    """Our lines; on stdout there are none but those that Portage's elog echoes at the end."""
    assert "portage-ext" not in run.stdout.partition("Messages for package app-portage/portage-ext-")[0], run
    return [line for line in run.stderr.splitlines() if line.startswith("portage-ext")]


def open_marks(host: Host) -> list[Mark]:
    return marks.free(host.root.path)


def last(host: Host) -> log.Run:
    found = log.last(host.root.path)
    assert found is not None
    return found


def until(condition: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def hooked(root: Root, work: Path) -> Path:
    """Put the hook where Portage looks for it, and have the repository synced by rsync. Returns where from."""
    path = root.etc("postsync.d/portage-ext", HOOK.read_text())
    path.chmod(0o755)
    upstream, location = work / "upstream", work / f"{root.path.name}-repo"
    original = root.repositories[0].location
    shutil.copytree(original, upstream)
    shutil.copytree(original, location)
    conf = root.path / "etc/portage/repos.conf"
    sync = f"sync-type = rsync\nsync-uri = file://{upstream}\nsync-rsync-verify-metamanifest = no\n"
    conf.write_text(conf.read_text().replace(f"location = {original}\n", f"location = {location}\n{sync}"))
    return upstream

"""A chroot is captured and builds by its own Portage. Here the chroot is an overlay over this machine's own root, since there
is no stage3 to unpack; it is mounted in a mount namespace of the test."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.system.builds import lab as kit
from tests.testkit import environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

pytestmark = pytest.mark.skipif(not kit.CAN, reason=kit.REASON)
SCRIPT = """
set -e
# A layer may not lie below another one, as it would below this machine's root.
mount -t tmpfs tmpfs "$APART" && cp -a "$LAYER/." "$APART"
mount -t overlay -o "lowerdir=$APART:/" overlay "$CHROOT"
portage-ext target capture laptop --root "$CHROOT"
portage-ext target show laptop
portage-ext build laptop app-misc/note
"""


def test_a_chroot_builds_with_its_own_portage(work: Path) -> None:
    tools = environments.environment()
    repository = EbuildRepository.create(work / "tiny")
    repository.data("app-misc/note-1")
    builder = Root.create(work / "builder", tools, [repository])
    builder.etc(
        "portage-ext.toml",
        f'[binhost]\nafter-emerge = "index"\n[build]\nmemory-mib = 400\ndisk-mib = 200\nfree-mib = 16\n'
        f'[repository.laptop]\ntree = "{work}/tree"\npkgdir = "{work}/binpkgs"\n',
    )
    layer, chroot, apart = work / "layer", work / "chroot", work / "apart"
    chroot.mkdir()
    apart.mkdir()
    for name in ("etc/portage", "usr/local/bin", "usr/bin", "var/db/repos", "var/db/pkg", "var/lib/portage", "var/tmp"):
        (layer / name).mkdir(parents=True)
    os.rename(repository.location, layer / "var/db/repos/tiny")
    (layer / "etc/portage/repos.conf").write_text("[DEFAULT]\nmain-repo = tiny\n[tiny]\nlocation = /var/db/repos/tiny\n")
    (layer / "etc/portage/make.profile").symlink_to("../../var/db/repos/tiny/profiles/default/linux/amd64")
    (layer / "etc/portage/make.conf").write_text('CFLAGS="-O3 -march=native"\nACCEPT_LICENSE="*"\nBINPKG_FORMAT="gpkg"\n')
    (layer / "share/portage/config").mkdir(parents=True)
    for name in ("make.globals", "sets"):
        (layer / "share/portage/config" / name).symlink_to(tools.prefix / "share/portage/config" / name)
    python = layer / "usr/local/bin/python3"
    # Portage from PyPI takes its own folder for its prefix.
    python.write_text(f'#!/bin/sh\nexport PORTAGE_OVERRIDE_EPREFIX=/\nexec {tools.python} "$@"\n')
    python.chmod(0o755)
    (layer / "usr/bin/emerge").symlink_to(tools.bin / "emerge")
    builder_repository = EbuildRepository.create(repository.location)  # the builder has one of its own
    assert builder_repository.location != layer / "var/db/repos/tiny"
    variables = builder.variables() | {"LAYER": str(layer), "CHROOT": str(chroot), "APART": str(apart)}
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", SCRIPT],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    logs = "".join(path.read_text() for path in builder.path.glob("var/lib/portage-ext/builds/log/*"))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{logs}"
    assert "captured from  chroot" in done.stdout
    assert "published app-misc/note-1" in done.stdout
    index = (work / "binpkgs/Packages").read_text()
    assert "CPV: app-misc/note-1" in index

"""The words of docs/administration.md at / itself: this machine's own, under an overlay that takes every change."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.testkit import ebuilds, environments, roots
from tests.testkit.environments import CHECKOUT

GUIDE = """
set -e
cp -a /etc /before.etc
cp -a /srv /before.srv
cd "$1"
{setup} --yes >/dev/null
{emerge}
{status} >/dev/null
{check} || [ $? = 3 ]
ls /srv/binhost/amd64
emerge -C app-misc/hello >/dev/null
{uninstall} --yes --purge
# But for what env-update makes after every merge.
diff -r --no-dereference -x env.d -x '*.env' -x 'ld.so*' -x 10-gentoo-env.conf /before.etc /etc
diff -r /before.srv /srv
ls /var/lib/portage-ext /var/log/portage-ext 2>/dev/null || true
echo 'no trace'
"""
SETTINGS = """
ACCEPT_LICENSE="*"
CFLAGS="-O2 -march=native"
CLEAN_DELAY=0
FEATURES="{features}"
PORTAGE_GRPNAME="root"
PORTAGE_TRUST_HELPER=""
PORTAGE_USERNAME="root"
"""


TRY = """
mount -t tmpfs tmpfs /mnt && cd /mnt && mkdir upper work root &&
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
"""


def overlays_can_be_mounted() -> bool:
    return (
        os.getuid() == 0
        and subprocess.run(["unshare", "-m", "sh", "-c", TRY], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not overlays_can_be_mounted(), reason="only root can mount an overlay, and not everywhere")
def test_guide_at_the_real_root(work: Path) -> None:
    guide = (CHECKOUT / "docs/administration.md").read_text()
    words = {
        "setup": "./setup_hooks.sh --role binhost --tree /srv/binhost/amd64",
        "emerge": "emerge --oneshot app-misc/hello",
        "status": "./setup_hooks.sh --status",
        "check": "portage-ext check",
        "uninstall": "./setup_hooks.sh --uninstall",
    }
    assert all(f"\n{command}" in guide for command in words.values())
    repository = ebuilds.standard(work / "repo")
    settings = work / "make.conf"
    settings.write_text(SETTINGS.format(features=roots.FEATURES))
    environment = environments.environment()
    script = [str(Path(__file__).with_name("real_root.sh")), str(environment.prefix), str(environment.tools)]
    command = ["unshare", "-m", "bash", *script, str(repository.location), str(settings), str(work)]
    done = subprocess.run(
        [*command, "bash", "-c", GUIDE.format(**words), "-", str(CHECKOUT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 package signed and indexed, published as release 1 of production" in done.stdout + done.stderr
    assert "12 files in place" in done.stdout
    assert "built with -march=native" not in done.stdout
    assert done.stdout.endswith("\nproduction\nreleases\nno trace\n"), done.stdout[-2000:]

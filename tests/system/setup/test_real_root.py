"""The words of docs/administration.md at / itself: this machine's own, under an overlay that takes every change."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.testkit import ebuilds, environments, httpd, roots
from tests.testkit.environments import CHECKOUT
from tests.testkit.outcome import Outcome

GUIDE = """
set -e
cp -a /etc /before.etc
# Names only: a checkout may lie here, in which other tests run.
ls -A /srv >/before.srv
cd "$1"
{setup} --yes >/dev/null
{emerge}
{status} >/dev/null
{check} || [ $? = 3 ]
ls /srv/binhost/amd64
emerge -C app-misc/hello >/dev/null
{uninstall} --yes --purge
# But for what env-update makes after every merge.
diff -r --no-dereference -x env.d -x '*.env' -x 'ld.so*' -x environment.d /before.etc /etc
ls -A /srv | diff /before.srv -
ls /var/lib/portage-ext /var/log/portage-ext 2>/dev/null || true
echo 'no trace'
"""
IMAGE = """
set -e
mount -t tmpfs tmpfs /mnt
cp -a "$image/etc" /mnt/before.etc
hooks=("$1/setup_hooks.sh" --root "$image" --yes)
"${hooks[@]}" --role binhost --tree "$2/amd64" >/mnt/told
chroot "$image" emerge --oneshot app-misc/hello 2>&1
gpg --homedir "$image/var/lib/portage-ext/signing" --armor --export >/mnt/key.asc
"${hooks[@]}" --role client --binhost "$3/amd64/production" --key /mnt/key.asc
"${hooks[@]}" --status >/mnt/told
ls "$image/only/in/the/image/.portage-ext.sqlite"
chroot "$image" emerge -C app-misc/hello >/mnt/told
"${hooks[@]}" --uninstall --purge
[ -z "$(find "$image/only/in/the/image" "$image/var/lib/portage-ext" -name '.portage-ext*')" ]
diff -r --no-dereference -x env.d -x '*.env' -x 'ld.so*' -x environment.d /mnt/before.etc "$image/etc"
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


def run(work: Path, script: str, *arguments: str, beside: bool = False, settings: str = "") -> Outcome:
    """What the bash ``script`` does at the root of this machine with a Portage in it, or beside it."""
    repository = ebuilds.standard(work / "repo")
    configuration = work / "make.conf"
    configuration.write_text(SETTINGS.format(features=roots.FEATURES) + settings)
    environment = environments.environment()
    entering = [str(Path(__file__).with_name("real_root.sh")), str(environment.prefix), str(environment.tools)]
    command = ["unshare", "-m", "bash", *entering, str(repository.location), str(configuration), str(work)]
    command += [*(["--beside"] if beside else []), "bash", "-c", script, "-", str(CHECKOUT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Outcome(tuple(command), done.returncode, done.stdout, done.stderr).ok()


@pytest.mark.skipif(not overlays_can_be_mounted(), reason="only root can mount an overlay, and not everywhere")
def test_guide_at_the_real_root(work: Path) -> None:
    guide = (CHECKOUT / "docs/administration.md").read_text()
    words = {
        "setup": "portage-ext setup --role binhost --tree /srv/binhost/amd64",
        "emerge": "emerge --oneshot app-misc/hello",
        "status": "portage-ext setup --status",
        "check": "portage-ext check",
        "uninstall": "portage-ext setup --uninstall",
    }
    assert all(f"\n{command}" in guide for command in words.values())
    done = run(work, GUIDE.format(**words))
    assert "1 package signed and indexed, published as release 1 of production" in done.text
    # This machine has a place for some of the files of other programs.
    places = {"usr/share/bash-completion": 2, "usr/share/zsh": 1, "usr/share/fish": 2, "etc/logrotate.d": 1}
    count = 14 + sum(files for place, files in places.items() if Path("/", place).is_dir())
    assert f"{count} files in place" in done.stdout
    assert "built with -march=native" not in done.stdout
    assert done.stdout.endswith("\npool\nproduction\nreleases\nno trace\n"), done


@pytest.mark.slow
@pytest.mark.skipif(not overlays_can_be_mounted(), reason="only root can mount an overlay, and not everywhere")
def test_an_image_with_a_portage_of_its_own_is_set_up_from_outside(work: Path) -> None:
    """Its Portage and its paths count: the key lies where only the machine outside has it, PKGDIR where only the image has."""
    (work / "srv").mkdir()
    with httpd.serve(work / "srv") as server:
        done = run(work, IMAGE, str(work / "srv"), server.url, beside=True, settings='PKGDIR="/only/in/the/image"\n')
    assert "1 package signed and indexed, published as release 1 of production" in done.text
    assert "verified: Release 1 of " in done.stdout
    assert done.stdout.endswith("\nno trace\n"), done

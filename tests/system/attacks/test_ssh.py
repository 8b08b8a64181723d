"""A binrepo behind ssh://, through real emerge and a real sshd: verified like any other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.system.attacks.lab import REPO, Lab, flip
from tests.testkit import sshd

pytestmark = pytest.mark.skipif(sshd.SSHD is None, reason="there is no sshd here (openssh-server)")


def test_a_binrepo_behind_ssh_is_verified_like_any_other(lab: Lab, work: Path) -> None:
    with sshd.serve(work) as server:
        shutil.copytree(lab.directory, server.files, dirs_exist_ok=True)
        conf = lab.client.path / "etc/portage/binrepos.conf/lab.conf"
        conf.write_text(conf.read_text().replace(lab.url, server.url.replace("%", "%%")))
        lab.emerge("--fetchonly", "app-misc/hello", PORTAGE_SSH_OPTS=server.options).ok()
        assert list((lab.client.path / f"var/cache/binhost/{REPO}").glob("app-misc/hello/*.gpkg.tar"))
        flip(server.files / "app-misc/flags/flags-2.0-1.gpkg.tar")
        lab.refused("CorruptFileError", "app-misc/flags", PORTAGE_SSH_OPTS=server.options)

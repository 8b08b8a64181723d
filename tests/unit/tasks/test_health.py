"""Areas of `check`, as far as they need no Portage."""

from __future__ import annotations

from pathlib import Path

import pytest

from portage_ext.config.snapshotting import Snapshotting
from portage_ext.policy.health import Severity
from portage_ext.snapshots import keeping
from portage_ext.snapshots.mounts import Mount
from portage_ext.tasks import health
from portage_ext.tasks.site import Site

KEY = "A" * 40


def found(root: Path, home: Path) -> str:
    """What is found of the key that signs, whose gpg home is ``home``."""
    (root / "etc/portage").mkdir(parents=True, exist_ok=True)
    (root / "etc/portage/portage-ext.toml").write_text(f'[sign]\nkey = "{KEY}"\nhomedir = "{home}"\n')
    (one,) = health.keys(Site.read(root)).findings
    return one.what


def test_a_home_that_gpg_cannot_read_is_not_one_without_the_key(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    assert f"{KEY} is not in {home}" in found(tmp_path, home)
    (home / "pubring.kbx").unlink(missing_ok=True)
    (home / "pubring.kbx").mkdir()
    assert f"could not read the key {KEY} in {home}" in found(tmp_path, home)


def test_a_snapshot_that_cannot_be_made_is_found_before_emerge_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "mounts", lambda: [Mount(Path("/"), "ext4", "/dev/vda")])
    for policy, severity in (("refuse", Severity.ERROR), ("warn", Severity.WARNING)):
        (one,) = health.snapshots(tmp_path, Snapshotting(policy)).findings
        assert one.severity is severity
        assert f"there is no way to make a snapshot of {tmp_path}: it is on ext4" in one.what
        assert 'policy = "off"' in one.remedy
    monkeypatch.setattr(keeping, "mounts", lambda: [Mount(Path("/"), "zfs", "rpool/root")])
    assert health.snapshots(tmp_path, Snapshotting("refuse")).findings == ()

"""Each maker calls its program as its manual says, and a program that fails is a named error.

The programs are stand-ins that write down what they were asked: this kernel has no ZFS, snapper needs a system bus, and LVM
would change the volumes of the machine. btrfs is played for real (tests/system/snapshots).
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from portage_ext import limits
from portage_ext.config.snapshotting import Snapshotting
from portage_ext.errors.snapshots import NoMakerError, SnapshotError
from portage_ext.snapshots import keeping
from portage_ext.snapshots.keeping import maker_of, take
from portage_ext.snapshots.makers import Btrfs, Lvm, Maker, Snapper, Zfs, logical_volume
from portage_ext.snapshots.mounts import Mount, apart, holding, mounts

MOUNTINFO = """\
22 1 0:19 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw
23 22 0:20 / /var rw - zfs rpool/var rw
24 22 0:21 / /mnt/with\\040blank rw shared:3 - btrfs /dev/loop0 rw,subvolid=5
25 22 0:22 / /var rw - tmpfs tmpfs rw
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins on PATH; the file has a line for each call."""
    log = tmp_path / "asked"
    directory = tmp_path / "bin"
    directory.mkdir()
    answers = {"snapper": "echo 7", "lvs": 'echo "  vg/root/"'}
    for name in ("snapper", "zfs", "lvcreate", "lvremove", "lvs", "btrfs"):
        program = directory / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n{answers.get(name, "")}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return log


@pytest.mark.parametrize(
    ("maker", "made", "calls"),
    [
        (
            Snapper(),
            "7",
            [
                "snapper create --type single --cleanup-algorithm number --print-number --description why",
                "snapper delete 7",
            ],
        ),
        (
            Zfs("rpool/root"),
            "rpool/root@portage-ext-1-day",
            [
                "zfs snapshot -o portage-ext:description=why rpool/root@portage-ext-1-day",
                "zfs destroy rpool/root@portage-ext-1-day",
            ],
        ),
        (
            Lvm("vg/root", True),
            "vg/portage-ext-1-day",
            ["lvcreate --snapshot --name portage-ext-1-day vg/root", "lvremove --yes vg/portage-ext-1-day"],
        ),
        (
            Lvm("vg/root", False),
            "vg/portage-ext-1-day",
            [
                "lvcreate --snapshot --extents 10%ORIGIN --name portage-ext-1-day vg/root",
                "lvremove --yes vg/portage-ext-1-day",
            ],
        ),
    ],
)
def test_each_program_is_called_as_its_manual_says(asked: Path, maker: Maker, made: str, calls: list[str]) -> None:
    assert maker.make("1-day", "why") == made
    maker.remove(made)
    assert asked.read_text().splitlines() == calls


def test_a_failure_has_the_words_of_the_program(asked: Path) -> None:
    (asked.parent / "bin/zfs").write_text("#!/bin/sh\necho 'out of \033[1mspace' >&2\nexit 2\n")
    with pytest.raises(SnapshotError, match=r"^zfs: zfs snapshot -o ended with status 2: out of \\x1b\[1mspace$"):
        Zfs("rpool/root").make("1", "why")


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SnapshotError, match="btrfs is not installed"):
        Btrfs(Path("/tmp")).remove("x")


def test_mounts_as_the_kernel_writes_them() -> None:
    every = mounts(MOUNTINFO)
    assert every[2] == Mount(Path("/mnt/with blank"), "btrfs", "/dev/loop0")
    assert holding(Path("/usr/bin"), every) == Mount(Path("/"), "ext4", "/dev/mapper/vg-root")
    # What is mounted last over the same place counts.
    assert holding(Path("/var/log"), every) == Mount(Path("/var"), "tmpfs", "tmpfs")
    assert apart(Path("/"), every) == [Path("/var")]


def test_a_logical_volume_is_asked_for(asked: Path) -> None:
    assert logical_volume("/dev/mapper/vg-root") == Lvm("vg/root", False)
    assert logical_volume("tmpfs") is None


def test_nobody_here_can_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "mounts", lambda: [Mount(Path("/"), "ext4", "/dev/vda")])
    with pytest.raises(NoMakerError, match="it is on ext4"):
        maker_of(tmp_path)
    with pytest.raises(NoMakerError, match='as with = "zfs" in'):
        maker_of(tmp_path, "zfs")


class Counting:
    """A maker that makes nothing; the ones in ``stuck`` cannot be removed."""

    name, prunes = "zfs", False

    def __init__(self, *stuck: str) -> None:
        self.removed: list[str] = []
        self.stuck = stuck

    def make(self, name: str, description: str) -> str:
        return name

    def remove(self, made: str) -> None:
        if made in self.stuck:
            raise SnapshotError("zfs", "busy")
        self.removed.append(made)


class Slow(Counting):
    """A maker that ends when somebody has been told that it takes long."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, threading.Event] = {"making": threading.Event(), "removing": threading.Event()}
        self.lines: list[str] = []

    def tell(self, line: str) -> None:
        self.lines.append(line)
        self.told[line.split()[0]].set()

    def make(self, name: str, description: str) -> str:
        assert self.told["making"].wait(60)
        return name

    def remove(self, made: str) -> None:
        assert self.told["removing"].wait(60)


def test_a_program_that_takes_long_is_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, maker = Snapshotting("warn", keep=1), Slow()
    take(tmp_path, settings, "why", maker=lambda *_: Counting(), warn=maker.tell)
    assert maker.lines == []
    monkeypatch.setattr(limits, "LOCK_SILENT", 0.01)
    take(tmp_path, settings, "why", maker=lambda *_: maker, warn=maker.tell)
    assert maker.lines == [f"making a snapshot of {tmp_path} with zfs …", "removing the old snapshot 1 with zfs …"]


def test_old_ones_go_and_one_that_cannot_go_is_told_and_stays_in_the_record(tmp_path: Path) -> None:
    maker, told = Counting("1-1970-01-01"), list[str]()
    for _ in range(4):
        take(tmp_path, Snapshotting("warn", keep=2), "why", maker=lambda *_: maker, warn=told.append, clock=lambda: 0)
    assert maker.removed == ["2-1970-01-01"]
    assert [one.number for one in keeping.load(tmp_path)] == [1, 3, 4]
    assert told[-1] == "cannot remove the old snapshot 1: zfs: busy"


def test_a_record_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / keeping.RECORD
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(SnapshotError, match="cannot be read"):
        take(tmp_path, Snapshotting("warn"), "why", maker=lambda *_: Counting())
    assert path.read_text() == "{"


def test_what_was_installed_is_compared(tmp_path: Path) -> None:
    (tmp_path / "var/db/pkg/app-misc/one-1").mkdir(parents=True)
    (tmp_path / "var/db/pkg/app-misc/-MERGING-two-1").mkdir()
    taken = take(tmp_path, Snapshotting("warn"), "why", maker=lambda *_: Counting())
    assert taken.installed == ("app-misc/one-1",)
    assert keeping.difference(taken, ("app-misc/one-2",)) == (("app-misc/one-2",), ("app-misc/one-1",))

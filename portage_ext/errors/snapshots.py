"""What can go wrong with a snapshot before emerge changes the system."""

from __future__ import annotations

from portage_ext.errors import PortageExtError


class SnapshotError(PortageExtError):
    """A snapshot could not be made, removed or found. ``maker`` is the program."""

    maker: str
    why: str

    def __str__(self) -> str:
        return f"{self.maker}: {self.why}"


class NoMakerError(PortageExtError):
    """Nothing here can make a snapshot of the system. ``kind`` is its file system, ``wanted`` what [snapshot] asks for."""

    root: str
    kind: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.why}. {self.todo}"

    @property
    def why(self) -> str:
        asked = "" if self.wanted == "auto" else f' as with = "{self.wanted}" in [snapshot] asks'
        return (
            f"there is no way to make a snapshot of {self.root}{asked}: it is on {self.kind}. Snapshots need snapper with a "
            "configuration named root, a subvolume of btrfs, ZFS, or LVM"
        )

    @property
    def todo(self) -> str:
        return 'Set policy = "off" in [snapshot] if you do not want snapshots'

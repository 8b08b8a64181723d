"""What portage-ext.toml says about builds for other machines.

::

    [build]
    memory-mib = 4096       # what one build may use; 0: three quarters of this host's memory
    disk-mib = 8192         # what one build may write, in memory and swap; 0: as much as memory
    processes = 4096
    hours = 12              # after so long a build is ended
    grade = "built"         # how much of the installed dependencies makes another build: "exact", "built", "abi"
    jobs = 1                # builds at once; each has its share of the memory where memory-mib is not set
    engine = "local"        # who builds
    free-mib = 1024         # no job is taken while less than this is free where builds are kept
    layers-mib = 16384      # layers over environments that are kept for later builds
    keep-days = 90          # for how long logs and unused distfiles are kept
    confirm = 2             # so many groups of builders must make the same package; 1 or 2 (default: 1)
    confirm-for = ["sys-libs/glibc", "app-crypt/*"]   # the packages that confirm is for, as atoms (default: all)

    [deploy.laptop]         # a host that `portage-ext deploy laptop` installs on
    ssh = "root@laptop"     # as ssh(1) takes it
    target = "laptop"       # whose builds it takes; without it: the target of the same name
    options = ["-p", "22"]  # further words for ssh
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from portage_ext.config.table import Table
from portage_ext.limits import MIB
from portage_ext.records import record

GRADES: Final = ("exact", "built", "abi")


@record
class Building:
    """Bounds of one build: bytes (0: by this host's memory), processes and seconds; the grade of job keys; builds at once; the
    engine that has them built; bytes that must be free; bytes of layers and seconds of logs and distfiles that
    `builds gc` keeps; how many groups of builders must agree, and for which atoms (none: for all packages)."""

    memory: int = 0
    disk: int = 0
    processes: int = 4096
    seconds: float = 12 * 3600.0
    grade: str = "built"
    jobs: int = 1
    engine: str = "local"
    free: int = 1024 * MIB
    layers: int = 16384 * MIB
    keep: float = 90 * 86400.0
    confirm: int = 1
    confirm_for: tuple[str, ...] = ()


@record
class DeployHost:
    """A host that packages are deployed to: how ssh reaches it, and the target whose builds it takes."""

    name: str
    ssh: str
    target: str
    options: tuple[str, ...] = ()


def read_hosts(top: Table) -> Mapping[str, DeployHost]:
    """The tables [deploy.NAME] of the file. Raises SettingsError."""
    tables = top.table("deploy")
    return {name: _host(name, tables.table(name)) for name in tables.names()}


def _host(name: str, table: Table) -> DeployHost:
    ssh = table.text("ssh")
    if not ssh or ssh.startswith("-") or not ssh.isprintable() or " " in ssh:
        raise table.wrong("ssh", "a host as ssh takes it, such as root@laptop")
    found = DeployHost(name, ssh, table.text("target") or name, table.texts("options"))
    table.nothing_left()
    return found


def read(top: Table) -> Building:
    """The table [build] of the file. Raises SettingsError."""
    table = top.table("build")
    grade = table.text("grade") or "built"
    if grade not in GRADES:
        raise table.wrong("grade", 'one of "exact", "built", "abi"')
    found = Building(
        int(table.number("memory-mib", 0, 0, 2**24)) * MIB,
        int(table.number("disk-mib", 0, 0, 2**24)) * MIB,
        int(table.number("processes", 4096, 16, 2**22)),
        table.number("hours", 12, 0.001, 1000) * 3600,
        grade,
        int(table.number("jobs", 1, 1, 256)),
        table.text("engine") or "local",
        int(table.number("free-mib", 1024, 0, 2**24)) * MIB,
        int(table.number("layers-mib", 16384, 0, 2**24)) * MIB,
        table.number("keep-days", 90, 1, 36500) * 86400,
        int(table.number("confirm", 1, 1, 2)),
        table.texts("confirm-for"),
    )
    if found.confirm_for and found.confirm == 1:
        raise table.wrong("confirm", "2, though confirm-for names packages")
    table.nothing_left()
    return found

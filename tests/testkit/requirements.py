"""The programs that real emerge needs outside Gentoo. A missing one is named with the Debian package that has it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

PROGRAMS = {
    "bash": "bash",
    "bzip2": "bzip2",
    "flock": "util-linux",
    "g++": "g++",
    "gcc": "gcc",
    "gpg": "gnupg",
    "gpgconf": "gnupg",
    "ld": "binutils",
    "rsync": "rsync",
    "scanelf": "pax-utils",
    "wget": "wget",
    "zstd": "zstd",
}
"""Program and the Debian package it is in."""

TOOLCHAIN = ("gcc", "g++", "cpp", "ar", "as", "ld", "nm", "objcopy", "objdump", "ranlib", "readelf", "strip")
CHOST = "x86_64-pc-linux-gnu"


class MissingProgramsError(SystemExit):
    """Something to install first."""


def find(program: str) -> str | None:
    """The path of ``program``, looking where administrators' programs are too."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")


def check() -> None:
    """Raise MissingProgramsError, naming everything at once."""
    missing = {program: package for program, package in PROGRAMS.items() if find(program) is None}
    if missing:
        raise MissingProgramsError(
            f"missing: {', '.join(missing)}\non Debian: apt-get install {' '.join(sorted(set(missing.values())))}"
        )
    if sys.version_info < (3, 11):  # noqa: UP036 - the demo starts with whatever python3 is there
        raise MissingProgramsError(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")


def link_toolchain(directory: Path) -> Path:
    """Fill ``directory`` with CHOST-prefixed names for this machine's compiler, as Portage calls it."""
    directory.mkdir(parents=True, exist_ok=True)
    for tool in TOOLCHAIN:
        source = find(tool)
        link = directory / f"{CHOST}-{tool}"
        if source and not link.is_symlink():
            link.symlink_to(source)
    # As Gentoo calls GNU tar.
    for name, program in (("scanelf", "scanelf"), ("gtar", "tar")):
        found = find(program)
        if found and not (directory / name).is_symlink():
            (directory / name).symlink_to(found)
    return directory


if __name__ == "__main__":
    check()

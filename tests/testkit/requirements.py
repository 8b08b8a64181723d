"""The programs that the demo and the tests need: installed where that is possible, else named with the one command to run.

As root on a system with apt-get or emerge, missing programs are installed, and one line says so. Other users are told the
command; the demo goes without what it has a stand-in for (``standins/``). Standard library only: this runs first.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

What = Literal["demo", "test"]


@dataclass(frozen=True, slots=True)
class Program:
    """A program, the Debian package and the Gentoo package that have it. ``demo``: the demo cannot do without."""

    name: str
    debian: str
    gentoo: str
    demo: bool = False


PROGRAMS = (
    Program("bash", "bash", "app-shells/bash", True),
    Program("bats", "bats", "dev-util/bats"),
    Program("bzip2", "bzip2", "app-arch/bzip2"),
    Program("chromedriver", "chromium-driver", "www-client/chromium"),
    Program("chromium", "chromium", "www-client/chromium"),
    Program("file", "file", "sys-apps/file"),
    Program("flock", "util-linux", "sys-apps/util-linux"),
    Program("g++", "g++", "sys-devel/gcc", True),
    Program("gcc", "gcc", "sys-devel/gcc", True),
    Program("git", "git", "dev-vcs/git"),
    Program("gpg", "gnupg", "app-crypt/gnupg", True),
    Program("gpgconf", "gnupg", "app-crypt/gnupg", True),
    Program("gpgv", "gnupg", "app-crypt/gnupg"),
    Program("ip", "iproute2", "sys-apps/iproute2"),
    Program("ld", "binutils", "sys-devel/binutils", True),
    Program("lz4", "lz4", "app-arch/lz4"),
    Program("lzip", "lzip", "app-arch/lzip"),
    Program("lzop", "lzop", "app-arch/lzop"),
    Program("mkfs.btrfs", "btrfs-progs", "sys-fs/btrfs-progs"),
    Program("nginx", "nginx-light", "www-servers/nginx"),
    Program("npm", "npm", "net-libs/nodejs"),
    Program("nft", "nftables", "net-firewall/nftables"),
    Program("rsync", "rsync", "net-misc/rsync"),
    Program("scanelf", "pax-utils", "app-misc/pax-utils"),
    Program("shellcheck", "shellcheck", "dev-util/shellcheck"),
    Program("ssh", "openssh-client", "net-misc/openssh"),
    Program("sshd", "openssh-server", "net-misc/openssh"),
    Program("strace", "strace", "dev-util/strace"),
    Program("wget", "wget", "net-misc/wget"),
    Program("xz", "xz-utils", "app-arch/xz-utils"),
    Program("zstd", "zstd", "app-arch/zstd"),
    Program("tar", "tar", "app-arch/tar", True),
)
LOADER_32 = Program("/lib/ld-linux.so.2", "libc6-i386", "sys-libs/glibc")
"""For the one test that starts a 32-bit program; without it that test is skipped."""
HEADERS = Program("Python.h", "python3-dev", "dev-lang/python")
"""For the two C modules, which the tests compile."""
VENV = Program("python3 -m venv", "python3-venv", "dev-lang/python", True)

TOOLCHAIN = ("gcc", "g++", "cpp", "ar", "as", "ld", "nm", "objcopy", "objdump", "ranlib", "readelf", "strip")
CHOST = "x86_64-pc-linux-gnu"
STANDINS = Path(__file__).with_name("standins")


class MissingProgramsError(SystemExit):
    """Something to install first."""


def find(program: str) -> str | None:
    """The path of ``program``, looking where administrators' programs are too."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")


def missing(what: What) -> list[Program]:
    """What is not there of all that ``what`` can use."""
    wanted = [one for one in PROGRAMS if what == "test" or one.demo or (STANDINS / one.name).exists() or one.name == "zstd"]
    absent = [one for one in wanted if find(one.name) is None]
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        absent.append(VENV)
    if what == "test" and not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        absent.append(HEADERS)
    if what == "test" and find("apt-get") and not Path(LOADER_32.name).exists():
        absent.append(LOADER_32)
    return absent


def check(what: What = "test") -> None:
    """Install what is missing, or name the command that does. Raises MissingProgramsError when ``what`` cannot run."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the demo starts with whatever python3 is there
        raise MissingProgramsError(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    absent = missing(what)
    if not absent:
        return
    command = _command(absent)
    if command and os.geteuid() == 0:
        print(f"Installing what is missing ({', '.join(one.name for one in absent)}): {' '.join(command)}", flush=True)
        _install(command)
        absent = missing(what)
    needed = [one for one in absent if what == "test" or one.demo]
    if needed and needed != [LOADER_32]:
        names = ", ".join(one.name for one in needed)
        how = f"Run as root: {' '.join(_command(needed))}" if _command(needed) else "Install them with your package manager."
        raise MissingProgramsError(f"These programs are missing: {names}. {how}")


def _command(absent: list[Program]) -> list[str]:
    """The command that installs them here; none where there is neither apt-get nor emerge."""
    if find("apt-get"):
        return ["apt-get", "install", "-y", "--no-install-recommends", *sorted({one.debian for one in absent})]
    if find("emerge"):
        return ["emerge", "--noreplace", "--quiet", *sorted({one.gentoo for one in absent})]
    return []


def _install(command: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "DEBCONF_NOWARNINGS": "yes"}
    steps = [["apt-get", "update", "-qq"], [command[0], "-qq", *command[1:]]] if command[0] == "apt-get" else [command]
    for step in steps:
        done = subprocess.run(step, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise MissingProgramsError(f"{' '.join(step)} failed with exit status {done.returncode}; its last lines are above.")


def link_toolchain(directory: Path) -> Path:
    """Fill ``directory`` with CHOST-prefixed names for this machine's compiler, as Portage calls it, and with stand-ins for
    programs that are not installed."""
    directory.mkdir(parents=True, exist_ok=True)
    links = {f"{CHOST}-{tool}": find(tool) for tool in TOOLCHAIN}
    # As Gentoo calls GNU tar.
    links |= {"scanelf": find("scanelf"), "gtar": find("tar")}
    links |= {one.name: str(one) for one in STANDINS.iterdir() if find(one.name) is None}
    for name, source in links.items():
        link = directory / name
        if source and (not link.is_symlink() or str(link.readlink()) != source):
            link.unlink(missing_ok=True)
            link.symlink_to(source)
    return directory


if __name__ == "__main__":
    check("demo" if "demo" in sys.argv[1:] else "test")

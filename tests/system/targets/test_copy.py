"""`target copy` makes an environment of layers from another host, over real ssh, and packages are built in it for that host.

The host is a chroot of its own mount namespace: an overlay over this machine's root, since there is no stage3 to unpack. Its
vdb says that one package has installed all programs that a build needs, and another a library.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.builds import lab as kit
from tests.testkit import binpkgs, environments, sshd
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

pytestmark = [
    pytest.mark.skipif(not kit.CAN, reason=kit.REASON),
    pytest.mark.skipif(sshd.SSHD is None, reason="sshd is not installed"),
]
SECRET = "hunter2-secret"
PROGRAMS = (
    "awk", "basename", "bash", "bzip2", "cat", "chgrp", "chmod", "chown", "cp", "cut", "date", "dirname", "env", "expr", "find",
    "getent", "getfacl", "getfattr", "grep", "gzip", "head", "id", "install", "ln", "ls", "mkdir", "mkfifo", "mktemp", "mv",
    "nproc", "patch", "readlink", "realpath", "rm", "rmdir", "sed", "setpriv", "sh", "sleep", "sort", "stat", "tail", "tar",
    "tee", "test", "touch", "tr", "true", "uname", "uniq", "wc", "xargs", "xz", "zstd",
)  # fmt: skip
"""What an ebuild without a compiler runs."""
BEGIN = """
set -e
mount -t tmpfs tmpfs "$APART" && cp -a "$LAYER/." "$APART"
mount -t overlay -o "lowerdir=$APART:/" overlay "$CHROOT"
mount -t proc proc "$CHROOT/proc" && mount --rbind /dev "$CHROOT/dev"
exec chroot "$CHROOT" /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh -c "$SSH_ORIGINAL_COMMAND"
"""


@dataclass(frozen=True)
class Host:
    """The host: what of it differs from this machine is in ``layer``."""

    layer: Path
    options: str

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        place = self.layer / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)
        return place

    def install(self, cpv: str, paths: list[str], **values: str) -> None:
        """Record ``cpv`` in the vdb, with these files of the layer or of this machine."""
        binpkgs.record_installed(self.layer, cpv, **values)
        lines: list[str] = []
        for path in paths:
            place = self.layer / path if os.path.lexists(self.layer / path) else Path("/", path)
            if place.is_symlink():
                lines.append(f"sym /{path} -> {os.readlink(place)} 1\n")
            elif place.is_dir():
                lines.append(f"dir /{path}\n")
            elif place.is_file():
                md5 = hashlib.md5(place.read_bytes(), usedforsecurity=False).hexdigest()
                lines.append(f"obj /{path} {md5} {int(place.stat().st_mtime)}\n")
        (self.layer / "var/db/pkg" / cpv / "CONTENTS").write_text("".join(lines))


def machine() -> list[str]:
    """The files of this machine that the host needs: programs, their libraries, and Python."""
    tools = environments.environment()
    where = "import os, sys, sysconfig; print(os.path.realpath(sys.executable), sysconfig.get_path('stdlib'))"
    python, stdlib = subprocess.run([tools.python, "-c", where], capture_output=True, text=True, check=True).stdout.split()
    programs = [path for name in PROGRAMS if (path := shutil.which(name, path="/usr/bin:/bin"))] + [python]
    modules = [*Path(stdlib, "lib-dynload").glob("*.so"), *Path("/usr/lib").glob("*/libnss_*.so*")]
    objects = [*programs, *map(str, modules), *map(str, tools.prefix.rglob("*.so"))]
    said = subprocess.run(["ldd", *objects], capture_output=True, text=True, check=False).stdout
    libraries = {word for line in said.splitlines() if line.startswith("\t") for word in line.split() if word.startswith("/")}
    found = {"var/tmp", "var/cache", "var/log", "etc", "bin", "sbin", "lib", "lib64", "usr/bin", "usr/sbin", "usr/bin/sh"}
    for path in (*programs, *libraries, *map(str, modules), "/etc/ld.so.cache"):
        found |= {path, os.path.realpath(path)}
    for top in (stdlib, "/usr/lib/locale/C.utf8"):
        found |= {str(path) for path in Path(top).rglob("*") if path.is_file() and not {"test", "tests"} & set(path.parts)}
    return sorted(path.lstrip("/") for path in found)


@pytest.fixture
def host(work: Path) -> Iterator[Host]:
    tools = environments.environment()
    layer, place = work / "layer", work / "ssh"
    made = Host(layer, "")
    for name in ("etc/portage", "usr/bin", "var/db/repos", "var/db/pkg", "var/lib/portage", "var/tmp", "opt"):
        (layer / name).mkdir(parents=True)
    repository = EbuildRepository.create(layer / "var/db/repos/tiny")
    repository.data("app-misc/note-1")
    repository.write("profiles/default/linux/amd64/packages", "*sys-apps/machine\n")
    shutil.copytree(tools.prefix, layer / "opt/portage", symlinks=True, ignore=shutil.ignore_patterns("pip*", "setuptools*"))
    # Portage from PyPI looks for its files below the root, where Gentoo's does below /usr.
    (const,) = (layer / "opt/portage").glob("lib/python3*/site-packages/portage/const.py")
    const.write_text(const.read_text().replace('"/share/portage/config"', '"/opt/portage/share/portage/config"'))
    python = '#!/bin/sh\nexport PORTAGE_OVERRIDE_EPREFIX=/\nexec /opt/portage/bin/python "$@"\n'
    made.write("usr/bin/python3-portage", python, 0o755)
    made.write("usr/local/bin/python3", python, 0o755)
    (layer / "usr/bin/emerge").symlink_to("/opt/portage/bin/emerge")
    made.write("etc/portage/repos.conf", f"[DEFAULT]\nmain-repo = tiny\n[tiny]\nlocation = /var/db/repos/tiny\n# {SECRET}\n")
    (layer / "etc/portage/make.profile").symlink_to("/var/db/repos/tiny/profiles/default/linux/amd64")
    made.write(
        "etc/portage/make.conf",
        f'CFLAGS="-O3 -march=native"\nACCEPT_LICENSE="*"\nBINPKG_FORMAT="gpkg"\nhttp_proxy="http://me:{SECRET}@p"\n',
    )
    # What stays: a changed configuration file, a program that only root may read, the environment of a build, local programs.
    made.write("etc/thing.conf", "as installed\n")
    made.write("usr/bin/secret", SECRET, 0o700)
    made.write("usr/lib/thing/data", "data of the thing\n")
    made.install("app-misc/thing-1", ["etc/thing.conf", "usr/bin/secret", "usr/lib/thing/data"], BUILD_ID="1")
    made.write("etc/thing.conf", f"password = {SECRET}\n")
    made.write("usr/local/bin/local", SECRET)
    made.write("etc/env.d/99proxy", f'http_proxy="http://me:{SECRET}@p"\n')
    made.write("etc/env.d/50ours", "OURS=yes\n")
    made.write(
        "etc/passwd",
        f"root:x:0:0:root:/root:/bin/sh\nportage:x:250:250::/var/tmp/portage:/bin/false\nme:x:1000:1000:{SECRET}:/home/me:/bin/sh\n",
    )
    made.write("etc/group", "root:x:0:me\nportage:x:250:portage,me\n")
    of_portage = [str(path.relative_to(layer)) for path in sorted((layer / "opt").rglob("*"))]
    made.install("sys-apps/machine-1", [*machine(), *of_portage, "usr/bin/emerge", "usr/bin/python3-portage"])
    for path in layer.glob("var/db/pkg/*/*"):
        (path / "environment.bz2").write_text(SECRET)
    place.mkdir()
    sshd.new_ssh_key(place / "host")
    begin = made.write("begin.sh", BEGIN)
    os.rename(begin, work / "begin.sh")
    (work / "chroot").mkdir()
    (work / "apart").mkdir()
    inside = f"env LAYER={layer} CHROOT={work}/chroot APART={work}/apart unshare -m --propagation private sh {work}/begin.sh"
    (place / "authorized").write_text(f'command="{inside}" {sshd.new_ssh_key(place / "user")}')
    with sshd.running(place) as port:
        yield Host(layer, f"-p {port} {sshd.client_options(place / 'user')}")


@pytest.fixture
def builder(work: Path, host: Host) -> Root:
    repository = EbuildRepository.create(work / "tiny")
    shutil.rmtree(repository.location)
    shutil.copytree(host.layer / "var/db/repos/tiny", repository.location)
    made = Root.create(work / "builder", environments.environment(), [repository])
    made.etc(
        "portage-ext.toml",
        f'[binhost]\nafter-emerge = "index"\n[build]\nmemory-mib = 400\ndisk-mib = 200\nfree-mib = 16\n'
        f'[repository.laptop]\ntree = "{work}/tree"\npkgdir = "{work}/binpkgs"\n',
    )
    return made


def words(host: Host, name: str, *more: str) -> tuple[str, ...]:
    whom = f"{getpass.getuser()}@127.0.0.1"
    return ("portage-ext", "target", "copy", name, "--ssh", whom, "--ssh-options", host.options, *more)


def saved(builder: Root) -> dict[str, bytes]:
    state = builder.path / "var/lib/portage-ext"
    return {
        str(path.relative_to(state)): path.read_bytes() for path in state.rglob("*") if path.is_file() and not path.is_symlink()
    }


@pytest.mark.slow
def test_a_host_is_copied_and_packages_are_built_for_it(host: Host, builder: Root) -> None:
    dry = builder.run(*words(host, "laptop", "--dry-run")).ok().stdout
    assert "etc/thing.conf: it was changed since its package was installed" in dry
    assert "usr/bin/secret: not every user may read it" in dry
    assert "etc/env.d/99proxy: it has a URL with a password" in dry
    assert "etc/env.d/50ours" in dry
    assert SECRET not in dry
    assert not (builder.path / "var/lib/portage-ext/targets").exists()
    first = builder.run(*words(host, "laptop")).ok().stdout
    assert "from the host, 0 bytes from published packages" in first
    done = builder.run("portage-ext", "build", "laptop", "app-misc/note")
    logs = "".join(path.read_text() for path in builder.path.glob("var/lib/portage-ext/builds/log/*"))
    assert done.status == 0, f"{done}\n{logs}"
    built = done.stdout
    assert "published app-misc/note-1" in built
    files = saved(builder)
    assert any(path.endswith("usr/lib/thing/data") for path in files)
    assert not [path for path, data in files.items() if SECRET.encode() in data]
    assert not [path for path in files if path.endswith(("bin/secret", "bin/local", "environment.bz2"))]

    # A second host of the same content needs nothing, whatever its name; another package needs a layer of its own.
    second = builder.run(*words(host, "desktop")).ok().stdout
    assert second.count("exists") == 3
    assert "copied 0 bytes from the host" in second
    trees = sorted((builder.path / "var/lib/portage-ext/builds/layers").glob("*/tree"))
    assert len(trees) == 3

    # A layer that was changed blocks by its name, and is copied again.
    (changed,) = [tree / "usr/lib/thing/data" for tree in trees if (tree / "usr/lib/thing/data").exists()]
    changed.write_text("another data\n")
    blocked = builder.run("portage-ext", "build", "laptop", "app-misc/note").failed().stderr
    assert "blocked: the environment of target laptop lacks the layer state, removed or changed since" in blocked
    again = builder.run(*words(host, "laptop")).ok().stdout
    assert again.count("to make") == 1
    assert "exists" in builder.run("portage-ext", "build", "laptop", "app-misc/note").ok().stdout

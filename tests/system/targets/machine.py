"""A host for `target copy` and `target add --stage`: what of it differs from this machine is in a layer of its own, and its vdb
says that one package has installed all programs that a build needs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.testkit import binpkgs, environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

SECRET = "hunter2-secret"
PROGRAMS = (
    "awk", "basename", "bash", "bzip2", "cat", "chgrp", "chmod", "chown", "cp", "cut", "date", "dirname", "env", "expr", "find",
    "getent", "getfacl", "getfattr", "grep", "gzip", "head", "id", "install", "ln", "ls", "mkdir", "mkfifo", "mktemp", "mv",
    "nproc", "patch", "readlink", "realpath", "rm", "rmdir", "sed", "setpriv", "sh", "sleep", "sort", "stat", "tail", "tar",
    "tee", "test", "touch", "tr", "true", "uname", "uniq", "wc", "xargs", "xz", "zstd",
)  # fmt: skip
"""What an ebuild without a compiler runs."""


@dataclass(frozen=True)
class Host:
    """The host: what of it differs from this machine is in ``layer``."""

    layer: Path
    options: str = ""

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


def host(layer: Path) -> Host:
    """The host whose layer is ``layer``, with secrets that must stay there."""
    tools = environments.environment()
    made = Host(layer)
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
    return made


BUILDER = """[binhost]
after-emerge = "index"
[build]
memory-mib = 400
disk-mib = 200
free-mib = 16
"""


def builder(work: Path, layer: Path, *targets: str) -> Root:
    """A builder for ``targets``, which publishes their packages below ``work``; it has the ebuild repository of the host."""
    repository = EbuildRepository.create(work / "tiny")
    shutil.rmtree(repository.location)
    shutil.copytree(layer / "var/db/repos/tiny", repository.location)
    made = Root.create(work / "builder", environments.environment(), [repository])
    sections = (f'[repository.{name}]\ntree = "{work}/tree-{name}"\npkgdir = "{work}/binpkgs-{name}"\n' for name in targets)
    made.etc("portage-ext.toml", f"{BUILDER}{''.join(sections)}")
    return made


def stage(layer: Path, archive: Path) -> None:
    """Make a stage archive of the host: its layer without configuration, and the files of this machine that its vdb lists."""
    tree = archive.parent / "stage"
    shutil.copytree(layer, tree, symlinks=True, ignore=shutil.ignore_patterns("portage-ext.toml", "local"))
    for name in ("make.conf", "repos.conf", "make.profile"):
        (tree / "etc/portage" / name).unlink()
    shutil.copytree(layer / "usr/local/bin", tree / "usr/local/bin", dirs_exist_ok=True)
    shutil.rmtree(tree / "var/db/repos/tiny")
    lines = (layer / "var/db/pkg/sys-apps/machine-1/CONTENTS").read_text().splitlines()
    for path in [line.split()[1] for line in lines] + ["/usr/bin/python3"]:
        _add(tree, path)
    for name in ("proc", "tmp", "run", "sys", "root"):
        (tree / name).mkdir(exist_ok=True)
    subprocess.run(["tar", "-C", str(tree), "--use-compress-program=xz -0 -T2", "-cf", str(archive), "."], check=True)
    shutil.rmtree(tree)


def _add(tree: Path, path: str) -> None:
    """Copy a file, a directory without what is in it, or a link with what it leads to, from this machine."""
    place = Path(f"{tree}{path}")
    if os.path.lexists(place) or not os.path.lexists(path):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if os.path.islink(path):
        place.symlink_to(os.readlink(path))
        _add(tree, os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path))))
    elif os.path.isdir(path):
        place.mkdir()
    else:
        shutil.copy2(path, place)

"""`target copy` makes an environment of layers from another host, over real ssh, and packages are built in it for that host.

The host is a chroot of its own mount namespace: an overlay over this machine's root, since there is no stage3 to unpack
(``machine``).
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.builds import lab as kit
from tests.system.targets import machine
from tests.system.targets.machine import SECRET, Host
from tests.testkit import sshd
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

pytestmark = [
    pytest.mark.skipif(not kit.CAN, reason=kit.REASON),
    pytest.mark.skipif(sshd.SSHD is None, reason="sshd is not installed"),
]
BEGIN = """
set -e
mount -t tmpfs tmpfs "$APART" && cp -a "$LAYER/." "$APART"
mount -t overlay -o "lowerdir=$APART:/" overlay "$CHROOT"
mount -t proc proc "$CHROOT/proc" && mount --rbind /dev "$CHROOT/dev"
exec chroot "$CHROOT" /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh -c "$SSH_ORIGINAL_COMMAND"
"""


@pytest.fixture
def host(work: Path) -> Iterator[Host]:
    layer, place = work / "layer", work / "ssh"
    made = machine.host(layer)
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
    return machine.builder(work, host.layer, "laptop")


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
    assert "changed since the last" not in first
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
    assert "nothing has changed since the last copy" in again
    assert "exists" in builder.run("portage-ext", "build", "laptop", "app-misc/note").ok().stdout


@pytest.mark.slow
def test_a_copy_that_differs_from_its_host_becomes_no_target(host: Host, builder: Root) -> None:
    # The builder has other ebuilds than the host: its profile has another USE flag and another CHOST.
    repository = EbuildRepository(builder.path.parent / "tiny", "tiny")
    repository.write("profiles/default/linux/amd64/make.defaults", 'ARCH="amd64"\nUSE="other"\nCHOST="other-pc-linux-gnu"\n')
    refused = builder.run(*words(host, "laptop")).failed().stderr
    assert "laptop would differ from the host: " in refused
    assert "other-pc-linux-gnu" in refused
    assert "sync the ebuild repositories of both hosts if the profile differs" in refused
    assert "no targets yet" in builder.run("portage-ext", "target", "list").ok().stdout
    assert "none of this name" in builder.run("portage-ext", "build", "laptop", "app-misc/note").failed().stderr


def _install(host: Host, package: Path) -> int:
    """Install a package that was built for the host: its image, and the vdb entry that Portage would write. Returns the number
    of bytes in its files."""
    into = host.layer.parent / "image"
    into.mkdir()
    script = 'tar -xOf "$0" --wildcards "*/image.tar.*" | zstd -dc | tar -xC "$1" --strip-components=1'
    subprocess.run(["bash", "-o", "pipefail", "-c", script, str(package), str(into)], check=True)
    subprocess.run(["cp", "-a", f"{into}/.", str(host.layer)], check=True)
    index = dict(
        line.split(": ", 1)
        for line in (package.parents[2] / "Packages").read_text().rpartition("\n\nBUILD_ID")[2].splitlines()
        if ": " in line
    )
    files = [path for path in into.rglob("*") if path.is_file()]
    paths = [str(path.relative_to(into)) for path in sorted(into.rglob("*"))]
    host.install("app-misc/note-1", paths, BUILD_ID="1", BUILD_TIME=index["BUILD_TIME"])
    return sum(path.stat().st_size for path in files)


@pytest.mark.slow
def test_files_of_published_packages_do_not_come_from_the_host(host: Host, builder: Root) -> None:
    builder.run(*words(host, "laptop")).ok()
    builder.run("portage-ext", "build", "laptop", "app-misc/note").ok()
    (package,) = (builder.path.parent / "binpkgs-laptop").rglob("*.gpkg.tar")
    size = _install(host, package)
    assert size
    copied = builder.run(*words(host, "laptop")).ok().stdout
    assert f"{size} bytes from published packages" in copied
    # A package of another build is not believed, and the host is asked.
    (host.layer / "var/db/pkg/app-misc/note-1/BUILD_TIME").write_text("1\n")
    shutil.rmtree(builder.path / "var/lib/portage-ext/builds/layers")
    assert "0 bytes from published packages" in builder.run(*words(host, "laptop")).ok().stdout

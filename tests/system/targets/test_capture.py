"""`portage-ext target` captures a directory, and a host over real ssh: no secret leaves, and nothing is written there."""

from __future__ import annotations

import getpass
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testkit import environments, sshd
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.roots import Root

SECRET = "hunter2-secret"
MAKE_CONF = {
    "FETCHCOMMAND": f"wget --password={SECRET}",
    "PORTAGE_BINHOST": f"https://me:{SECRET}@binhost.invalid/",
    "http_proxy": f"http://me:{SECRET}@proxy.invalid/",
    "CFLAGS": "-O3 -march=native",
    "USE": "foo",
    "CPU_FLAGS_X86": "sse2",
}


@pytest.fixture
def repository(work: Path) -> EbuildRepository:
    made = EbuildRepository.create(work / "tiny")
    made.data("app-misc/thing-1.0")
    return made


@pytest.fixture
def builder(work: Path, repository: EbuildRepository) -> Root:
    return Root.create(work / "builder", environments.environment(), [repository])


def furnish(laptop: Root) -> None:
    """Configuration that decides builds beside what must never leave."""
    laptop.etc("package.use/thing", "app-misc/thing bar\n")
    laptop.etc("package.env", "app-misc/thing o2.conf\n")
    laptop.etc("env/o2.conf", f'CFLAGS="-O2"\nRESUMECOMMAND="curl -u me:{SECRET}"\n')
    laptop.etc("bashrc", "# a hook\n")
    laptop.etc("binrepos.conf", f"[lab]\nsync-uri = https://me:{SECRET}@lab.invalid/\n")
    laptop.etc("gnupg/secring.gpg", SECRET)
    laptop.etc("postsync.d/push", f"#!/bin/sh\n# {SECRET}\n")
    laptop.etc("package.use/.hidden", SECRET)
    (laptop.path / "var/lib/portage/world").write_text("app-misc/thing\n")
    laptop.emerge("app-misc/thing").ok()


def contents(root: Path) -> dict[str, tuple[int, int]]:
    """Every file below ``root`` with size and time of its last change; caches that any read-only Portage keeps are left out."""
    return {
        str(path.relative_to(root)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file() and "var/cache/edb" not in str(path)
    }


def everything(builder: Root) -> str:
    saved = builder.path / "var/lib/portage-ext/targets"
    return "".join(path.read_text(errors="replace") for path in saved.rglob("*") if path.is_file())


def check_taken(builder: Root, name: str) -> None:
    """The capture ``name`` has what decides a build."""
    shown = json.loads(builder.run("portage-ext", "target", "show", name, "--json").ok().stdout)
    assert shown["complete"]
    (listed,) = json.loads(builder.run("portage-ext", "target", "list", "--json").ok().stdout)["targets"]
    assert listed == {key: shown[key] for key in listed}
    assert shown["builder"]["profile"] == "tiny:default/linux/amd64"
    assert shown["make_conf"] == {"CFLAGS": "-O3 -march=native", "CPU_FLAGS_X86": "sse2", "USE": "foo"} | {
        name: value for name, value in shown["make_conf"].items() if name not in MAKE_CONF
    }
    assert "-march=native" not in shown["builder"]["march"]
    assert any(flag.startswith("-march=") for flag in shown["builder"]["march"])
    assert set(shown["files"]) == {
        "etc/portage/bashrc", "etc/portage/package.env", "etc/portage/package.use/thing", "var/lib/portage/world"
    }  # fmt: skip
    (installed,) = shown["installed"]
    assert (installed["cpv"], installed["slot"], installed["repository"]) == ("app-misc/thing-1.0", "0", "tiny")
    saved = builder.path / "var/lib/portage-ext/targets" / name
    assert 'CFLAGS="-O2"' in (saved / "etc/portage/env/o2.conf").read_text()
    assert SECRET not in everything(builder)


def test_a_root_is_captured_and_nothing_in_it_changes(work: Path, builder: Root, repository: EbuildRepository) -> None:
    laptop = Root.create(work / "laptop", environments.environment(plugin=False), [repository], layout="root", **MAKE_CONF)
    furnish(laptop)
    before = contents(laptop.path)
    dry = builder.run("portage-ext", "target", "capture", "laptop", "--root", str(laptop.path), "--dry-run").ok()
    assert 'USE="foo"' in dry.stdout
    assert SECRET not in dry.stdout
    assert not (builder.path / "var/lib/portage-ext/targets").exists()
    # The builder's own configuration and its environment say nothing about the target.
    said = builder.run("portage-ext", "target", "capture", "laptop", "--root", str(laptop.path), USE="bar", CFLAGS="-O0").ok()
    assert "target laptop: tiny:default/linux/amd64, 1 package installed" in said.stdout
    assert contents(laptop.path) == before
    check_taken(builder, "laptop")

    laptop.etc("package.use/thing", "app-misc/thing -bar\n")
    again = builder.run("portage-ext", "target", "capture", "laptop", "--root", str(laptop.path)).ok()
    assert "changed since the last capture:" in again.stdout
    diff = builder.run("portage-ext", "target", "diff", "laptop", "--json")
    assert diff.status == 1
    (changed,) = [one for one in json.loads(diff.stdout)["differences"] if one["area"] == "file"]
    assert (changed["name"], changed["second"]) == ("etc/portage/package.use/thing", "app-misc/thing -bar\n")


def test_a_chroots_repositories_are_found_below_it(work: Path, builder: Root, repository: EbuildRepository) -> None:
    laptop = Root.create(work / "laptop", environments.environment(plugin=False), [repository], layout="root")
    inside = laptop.path / "var/db/repos/tiny"
    inside.parent.mkdir(parents=True)
    os.rename(repository.location, inside)
    laptop.etc("repos.conf", "[DEFAULT]\nmain-repo = tiny\n\n[tiny]\nlocation = /var/db/repos/tiny\n")
    link = laptop.path / "etc/portage/make.profile"
    link.unlink()
    link.symlink_to("../../var/db/repos/tiny/profiles/default/linux/amd64")
    # The builder has a repository of its own there; that of the target must be found below the target.
    other = EbuildRepository.create(repository.location)
    other.write("profiles/default/linux/amd64/make.defaults", 'ARCH="amd64"\nUSE="other"\n')
    builder.run("portage-ext", "target", "capture", "laptop", "--root", str(laptop.path)).ok()
    shown = json.loads(builder.run("portage-ext", "target", "show", "laptop", "--json").ok().stdout)
    assert shown["builder"]["profile"] == "tiny:default/linux/amd64"
    assert shown["builder"]["chost"] == "x86_64-pc-linux-gnu"


@pytest.fixture
def host(work: Path, repository: EbuildRepository) -> Iterator[tuple[Root, str]]:
    """A laptop that has Portage alone, behind a real sshd; and what ssh needs to reach it."""
    laptop = Root.create(work / "laptop", environments.environment(plugin=False), [repository], **MAKE_CONF)
    furnish(laptop)
    place = work / "ssh"
    place.mkdir()
    sshd.new_ssh_key(place / "host")
    # The laptop's Portage lies in a folder of its own here; on a real one, `python3` is the Python that has it.
    inside = " ".join(f"{name}={shlex.quote(value)}" for name, value in laptop.variables().items())
    path = f"{laptop.environment.python.parent}:{laptop.variables()['PATH']}"
    forced = f'env -i {inside} PATH={shlex.quote(path)} sh -c \\"$SSH_ORIGINAL_COMMAND\\"'
    (place / "authorized").write_text(f'command="{forced}" {sshd.new_ssh_key(place / "user")}')
    with sshd.running(place) as port:
        yield laptop, f"-p {port} {sshd.client_options(place / 'user')}"


@pytest.mark.skipif(sshd.SSHD is None, reason="sshd is not installed")
def test_a_host_without_portage_ext_is_captured_over_ssh(host: tuple[Root, str], builder: Root) -> None:
    laptop, options = host
    before = contents(laptop.path)
    command = (
        "portage-ext",
        "target",
        "capture",
        "laptop",
        "--ssh",
        f"{getpass.getuser()}@127.0.0.1",
        "--ssh-options",
        options,
    )
    builder.run(*command).ok()
    assert contents(laptop.path) == before
    check_taken(builder, "laptop")

    # A host that cannot be read is one line, and the target stays as it was.
    (laptop.path / "etc/portage/make.conf").write_text('USE="foo\n')
    failed = builder.run(*command)
    assert failed.status == 1
    assert "cannot capture" in failed.stderr
    assert len(failed.stderr.splitlines()) == 1, failed.stderr
    check_taken(builder, "laptop")


def test_wrong_places_and_hosts_are_one_line(work: Path, builder: Root) -> None:
    for arguments, why in (
        (("--root", str(work)), "there is no etc/portage in it"),
        (("--ssh", "-oProxyCommand=touch x"), "that is no host"),
        (("--ssh", "nobody@127.0.0.1", "--ssh-options=-p 1 -oBatchMode=yes"), "ssh ended with status 255"),
    ):
        failed = builder.run("portage-ext", "target", "capture", "laptop", *arguments)
        assert failed.status in (1, 2)
        assert why in failed.stderr
    unknown = builder.run("portage-ext", "target", "show", "laptop")
    assert "target laptop: there is none of this name (known: none yet)" in unknown.stderr

"""A package that was built again reaches a client as a delta: built, signed, published, fetched and merged by real programs."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.publish import site
from tests.system.publish.site import Host
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.httpd import Server
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

ZSTD = shutil.which("zstd")
DELTAS = "\n[publish.channel.production]\ngates = []\n"
BUILDS = "binpkg-multi-instance"


@dataclass(slots=True)
class Rebuilt:
    """A host that publishes ``app-misc/big``, and a client of it."""

    host: Host
    client: Root
    web: Server

    @classmethod
    def create(cls, work: Path, host: Host, web: Server) -> Rebuilt:
        repository = EbuildRepository.create(work / "big", "big", masters="tiny")
        folder = repository.location / "app-misc/big/files"
        folder.mkdir(parents=True)
        (folder / "data").write_bytes(random.Random(20).randbytes(400_000))
        repository.ebuild(
            "app-misc/big-1.0",
            """
            src_install() {
                mkdir -p "${ED}"/usr/share/big && cp "${FILESDIR}"/{data,build} "${ED}"/usr/share/big || die
            }
            """,
        )
        text = (host.root.path / "etc/portage/portage-ext.toml").read_text()
        host.root.etc("portage-ext.toml", text.replace("[publish]\n", "[publish]\ndeltas = true\n") + DELTAS)
        client = site.client(work, host, f"{web.url}/production")
        made = cls(host, client, web)
        for root in (host.root, client):
            root.features(BUILDS)
            repos = root.path / "etc/portage/repos.conf"
            repos.write_text(f"{repos.read_text()}\n[big]\nlocation = {repository.location}\n")
        return made

    def release(self, number: int) -> Outcome:
        """Build the package for the ``number``-th time, and publish it."""
        (self.host.root.path.parent / "big/app-misc/big/files/build").write_text(f"build {number}\n" * 50)
        self.host.root.emerge("-1", "--buildpkgonly", "--nodeps", "app-misc/big").ok()
        self.host.run("sign").ok()
        return self.host.run("publish", "--channel", "production").ok()

    def update(self) -> Outcome:
        """Let the client install what is offered now."""
        done = self.client.emerge("-1", "--getbinpkgonly", "app-misc/big").ok()
        text = (self.client.path / "usr/share/big/build").read_text()
        published = (self.host.root.path.parent / "big/app-misc/big/files/build").read_text()
        assert text == published, done
        return done

    def asked(self) -> list[str]:
        """The packages and deltas that were asked for, by the ends of their names."""
        names = [path.rpartition("/")[2] for path in self.web.paths() if path.endswith((".gpkg.tar", ".zst"))]
        return [name for name in names if not name.startswith("Packages")]


@pytest.fixture
def rebuilt(work: Path, host: Host, web: Server) -> Rebuilt:
    return Rebuilt.create(work, host, web)


def test_a_client_gets_a_rebuild_by_a_delta(rebuilt: Rebuilt) -> None:
    rebuilt.release(1)
    rebuilt.update()
    published = rebuilt.release(2)
    assert "1 delta of " in published.stdout, published
    offered = json.loads(rebuilt.host.run("releases", "--json").ok().stdout.splitlines()[-1])["deltas"]
    assert offered["count"] == 1
    assert offered["size"] < 60_000
    assert offered["saved"] > 350_000

    rebuilt.web.log.clear()
    updated = rebuilt.update()
    assert [name[128:] for name in rebuilt.asked()] == [".zst"], updated
    assert "made from the older package here" in updated.text
    assert "saved" in updated.text


def damaged_delta(of: Rebuilt) -> None:
    (delta,) = (of.host.tree / "production/deltas").iterdir()
    data = bytearray(delta.read_bytes())
    data[len(data) // 2] ^= 1
    delta.unlink()
    delta.write_bytes(data)


def missing_delta(of: Rebuilt) -> None:
    (delta,) = (of.host.tree / "production/deltas").iterdir()
    delta.unlink()


def changed_list(of: Rebuilt) -> None:
    """As whoever holds the server could write it."""
    document = of.host.tree / "production/deltas.json"
    text = document.read_text()
    document.unlink()
    document.write_text(text.replace("deltas 1", "deltas 2"))


def little_memory(of: Rebuilt) -> None:
    of.client.etc("portage-ext.toml", "[fetch]\ndelta-memory = 100\n")


def other_package(of: Rebuilt) -> None:
    """The old package is there and has its size, but is another one."""
    found = sorted((of.client.path / "var/cache").rglob("*.gpkg.tar"))
    assert len(found) == 1, found
    (old,) = found
    data = bytearray(old.read_bytes())
    data[-1] ^= 1
    old.write_bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (damaged_delta, "BLAKE2B is "),
        (missing_delta, "404"),
        (changed_list, "it is not the one that the index binds"),
        (little_memory, "MiB of memory; delta-memory allows 100)"),
        (other_package, ""),
    ],
)
def test_whatever_is_wrong_with_a_delta_the_whole_file_is_fetched(
    rebuilt: Rebuilt, spoil: Callable[[Rebuilt], None], why: str
) -> None:
    rebuilt.release(1)
    rebuilt.update()
    rebuilt.release(2)
    spoil(rebuilt)
    rebuilt.web.log.clear()
    updated = rebuilt.update()
    assert re.fullmatch(r"big-1\.0-[0-9]{20}\.gpkg\.tar", rebuilt.asked()[-1]), updated
    told = [line for line in updated.text.splitlines() if "cannot be made from an older package" in line]
    assert len(told) == bool(why), updated
    assert all(why in line for line in told), updated


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zstd", "why"),
    [
        ('[ "$1" != --version ] || exec echo "*** Zstandard CLI (64-bit) v1.2.3, by Yann Collet ***"', "this host has 1.2.3"),
        ('case "$*" in *-T1*) set -- "$@" -9 ;; esac', "other bytes than on the binhost"),
        ('case "$*" in *-T1*) cat > /dev/null; exit 0 ;; esac', "other bytes than on the binhost"),
        ('case "$*" in *patch-from*) exec yes ;; esac', ""),
        ('case "$*" in *-T1*) exit 3 ;; esac', "zstd ended with status 3"),
    ],
    ids=["another version", "other bytes", "nothing", "too much", "an error"],
)
def test_with_another_libzstd_the_whole_file_is_fetched(rebuilt: Rebuilt, zstd: str, why: str) -> None:
    rebuilt.release(1)
    rebuilt.update()
    rebuilt.release(2)
    programs = rebuilt.client.path / "programs"
    programs.mkdir()
    (programs / "zstd").write_text(f'#!/bin/sh\n{zstd}\nexec {ZSTD} "$@"\n')
    (programs / "zstd").chmod(0o755)
    path = f"{programs}:{rebuilt.client.variables()['PATH']}"
    rebuilt.web.log.clear()
    updated = rebuilt.client.emerge("-1", "--getbinpkgonly", "app-misc/big", PATH=path).ok()
    assert re.fullmatch(r"big-1\.0-[0-9]{20}\.gpkg\.tar", rebuilt.asked()[-1]), updated
    assert "cannot be made from an older package" in updated.text
    assert why in updated.text, updated


@pytest.mark.slow
def test_deltas_are_kept_promoted_made_on_request_and_mirrored(rebuilt: Rebuilt, work: Path) -> None:
    host = rebuilt.host
    rebuilt.release(1)
    rebuilt.update()
    rebuilt.release(2)
    rebuilt.release(3)

    def offered() -> dict[str, int]:
        """By channel, how many deltas its live release offers."""
        lines = [json.loads(line) for line in host.run("releases", "--json").ok().stdout.splitlines()]
        return {one["channel"]: (one["deltas"] or {"count": 0})["count"] for one in lines if one["live"]}

    assert offered() == {"production": 2}, "the delta to build 2 stays as long as build 2 does"
    first = host.channel("production") - 2
    words = "releases", "deltas", "--channel", "production", "--from", str(first)
    asked = host.run(*words, "--json").ok()
    assert json.loads(asked.stdout)["beside"] == ["deltas from earlier releases"]
    assert offered() == {"production": 3}
    again, live = host.run(*words).ok(), host.channel("production")
    assert again.stdout == f"production: there is no delta to add; release {live} stays as it is\n"
    assert live == first + 3
    rebuilt.web.log.clear()
    updated = rebuilt.update()
    assert [name[128:] for name in rebuilt.asked()] == [".zst"], updated

    done = host.run("promote", "production", "mirrored", "--gates", "none").ok()
    assert offered() == {"production": 3, "mirrored": 3}, done
    host.run("mirror", "--to", str(work / "mirror")).ok()
    names = sorted(path.name for path in (host.tree / "mirrored/deltas").iterdir())
    assert sorted(path.name for path in (work / "mirror/mirrored/deltas").iterdir()) == names
    assert stat.S_IMODE((host.tree / "mirrored/deltas" / names[0]).stat().st_mode) == 0o644
    assert os.stat(host.tree / "mirrored/deltas" / names[0]).st_nlink > 1, "made once for both channels"

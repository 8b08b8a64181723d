"""``portage-ext ebuild bump`` with real nvchecker: releases on a web server, and tags of a git repository, become copies of the
newest ebuild, which emerge builds."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from portage_ext.repositories import confined
from tests.system.hooks.afterwards import hooked, until
from tests.system.repositories import github, overlays
from tests.testkit import environments, httpd
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root


def publish(directory: Path, name: str, members: dict[str, str]) -> None:
    """A release as people publish them, and a page that links to it."""
    directory.mkdir(exist_ok=True)
    with tarfile.open(directory / f"{name}.tar.xz", "w:xz") as archive:
        for path, text in members.items():
            info = tarfile.TarInfo(f"{name}/{path}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    with (directory / "index.html").open("a") as page:
        page.write(f'<a href="{name}.tar.xz">{name}</a>\n')


@dataclass(frozen=True, slots=True)
class Desk:
    """A system with an overlay, the web server's directory and address, and what nvchecker is told."""

    root: Root
    overlay: EbuildRepository
    web: Path
    url: str
    configuration: Path

    @property
    def path(self) -> str:
        """PATH with a real nvchecker in it."""
        return f"{self.root.variables()['PATH']}:{environments.programs('nvchecker', ['nvchecker==2.22'])}/bin"

    def bump(self, *words: str, **variables: str) -> Outcome:
        return self.root.run("portage-ext", "ebuild", "bump", *words, PATH=self.path, **variables)

    def package(self, cpv: str, source: str, body: str = "") -> None:
        name = cpv.partition("/")[2].rpartition("-")[0]
        install = "src_install() { insinto /usr/share/${PN}; doins meson.build; }\n"
        self.overlay.ebuild(cpv, install + body, SRC_URI=source, KEYWORDS="amd64", S="${WORKDIR}/" + f"{name}-${{PV}}")
        path = self.overlay.location / cpv.partition("/")[0] / name / f"{cpv.partition('/')[2]}.ebuild"
        self.root.run("ebuild", str(path), "manifest").ok()


def broken(desk: Desk) -> str:
    """A phase that fails, after it has tried to reach out, if this kernel can isolate it."""
    tries = (
        ""
        if confined.lacking()
        else (
            f"touch {desk.overlay.location}/x && die 'it wrote into the overlay'\n"
            f": 3<>/dev/tcp/{desk.url[7:].replace(':', '/')} && die 'it has a network'\n"
        )
    )
    return f"src_compile() {{\n{tries}die 'it does not build'\n}}\n"


@pytest.fixture
def desk(work: Path) -> Iterator[Desk]:
    main = EbuildRepository.create(work / "tiny")
    overlay = EbuildRepository.create(work / "local", "local", "tiny")
    root = Root.create(work / "r", environments.environment(), [main, overlay], ACCEPT_KEYWORDS="~amd64", GENTOO_MIRRORS="")
    configuration = root.path / "etc/overlayman/nvchecker.toml"
    configuration.parent.mkdir()
    (work / "web").mkdir()
    with httpd.serve(work / "web") as server:
        yield Desk(root, overlay, work / "web", server.url, configuration)


def test_releases_of_a_web_page_and_of_git(desk: Desk, work: Path) -> None:
    publish(desk.web, "tool-1.9", {"meson.build": "dependency('zlib')\n", "COPYING": "old", "README": "x"})
    publish(desk.web, "gitty-2.0", {"meson.build": "", "sub/CMakeLists.txt": "find_package(A)\n"})
    desk.package("app-misc/tool-1.9", f"{desk.url}/${{P}}.tar.xz")
    desk.package("app-misc/gitty-2.0", f"{desk.url}/${{P}}.tar.xz")
    upstream = overlays.overlay(work / "upstream")
    upstream.commit()
    for tag in ("v2.0", "v2.1-rc1", "v2.1"):
        overlays.git(upstream.location, "tag", tag)
    desk.configuration.write_text(
        f'["app-misc/tool"]\nsource = "regex"\nurl = "{desk.url}/"\nregex = "tool-([0-9.]+)\\\\.tar"\n'
        f'["app-misc/gitty"]\nsource = "git"\ngit = "file://{upstream.location}"\nprefix = "v"\nexclude_regex = ".*rc.*"\n'
        '["app-misc/nothere"]\nsource = "manual"\nmanual = "1"\n["app-misc/failing"]\nsource = "cmd"\ncmd = "false"\n'
    )

    publish(desk.web, "tool-1.10", {"meson.build": "dependency('zstd')\n", "COPYING": "new", "README": "y"})
    publish(desk.web, "gitty-2.1", {"meson.build": "", "sub/CMakeLists.txt": "find_package(A)\nfind_package(B)\n"})
    before = set(desk.overlay.location.rglob("*"))
    entry = '["app-misc/{name}"]\nsource = "github"\ngithub = "larry/{name}"\nuse_max_tag = true\nprefix = "v"\n'
    hub = desk.configuration.with_name("hub.toml")
    hub.write_text("".join(entry.format(name=name) for name in ("tool", "gitty")))
    with github.answering(work, {"larry/tool": ("v1.8", "v1.10", "v1.9")}) as variables:
        said = desk.bump("app-misc/tool", "app-misc/gitty", "--nvchecker", str(hub), **variables).failed()
    assert "app-misc/tool 1.9: there is 1.10" in said.stdout
    assert "app-misc/gitty: nvchecker finds no release: " in said.stderr
    assert "404" in said.stderr
    assert set(desk.overlay.location.rglob("*")) == before
    said = desk.bump("--listed", "--into", str(desk.overlay.location), "--build").failed()
    assert "app-misc/tool 1.9: there is 1.10" in said.stdout
    assert said.stdout.count("built once on trial: it installs 1 file") == 2
    assert not list((desk.root.path / "var/tmp").glob("portage-ext-*"))
    assert desk.root.installed() == set()
    assert "app-misc/nothere: no repository here has an ebuild of it; bump never makes a new package" in said.stderr
    assert "app-misc/failing: nvchecker finds no release: command exited with error" in said.stderr
    for line in ("-dependency('zlib')", "+dependency('zstd')", "COPYING has changed: read it", "+find_package(B)"):
        assert line in said.stdout, str(said)
    assert "README" not in said.stdout
    tool = desk.overlay.location / "app-misc/tool"
    new = (tool / "tool-1.10.ebuild").read_text()
    assert new == (tool / "tool-1.9.ebuild").read_text().replace('KEYWORDS="amd64"', 'KEYWORDS="~amd64"')
    assert {"DIST tool-1.9.tar.xz", "DIST tool-1.10.tar.xz"} == {
        " ".join(line.split()[:2]) for line in (tool / "Manifest").read_text().splitlines()
    }
    assert desk.root.emerge("-p", "app-misc/gitty").ok().plan() == {"app-misc/gitty-2.1": "ebuild"}
    desk.root.emerge("-1", "app-misc/tool").ok()
    assert desk.root.installed() == {"app-misc/tool-1.10"}
    assert "has the newest release (1.10)" in desk.bump("app-misc/tool").ok().stdout


@pytest.mark.slow
def test_the_job_of_a_sync_copies_the_ebuilds_of_new_releases(desk: Desk, work: Path) -> None:
    """As docs/repositories.md has it: a real sync brings a change, and the job goes through the list in the background."""
    publish(desk.web, "tool-1.9", {"meson.build": ""})
    publish(desk.web, "tool-1.10", {"meson.build": ""})
    desk.package("app-misc/tool-1.9", f"{desk.url}/${{P}}.tar.xz")
    desk.configuration.write_text(
        f'["app-misc/tool"]\nsource = "regex"\nurl = "{desk.url}/"\nregex = "tool-([0-9.]+)\\\\.tar"\n'
    )
    job = f"portage-ext ebuild bump --listed --into {desk.overlay.location} --build"
    desk.root.etc("portage-ext.toml", f'[postsync]\njob = "{job}"\n')
    upstream = hooked(desk.root, work)
    (upstream / "metadata").mkdir(exist_ok=True)
    (upstream / "metadata/timestamp.chk").write_text("Fri, 27 Nov 2026 10:00:00 +0000\n")
    assert "changed: started portage-ext" in desk.root.emerge("--sync", "tiny", PATH=desk.path).text
    told = desk.root.path / "var/log/portage-ext/postsync-job.log"
    until((desk.overlay.location / "app-misc/tool/tool-1.10.ebuild").exists)
    until(lambda: "built once on trial: it installs 1 file" in told.read_text())
    assert "app-misc/tool 1.9: there is 1.10" in told.read_text()
    assert "app-misc/tool-1.10" in desk.root.emerge("-p", "app-misc/tool").ok().stdout


@pytest.mark.slow
def test_a_copy_that_cannot_be_leaves_nothing(desk: Desk) -> None:
    publish(desk.web, "tool-1.0", {"meson.build": ""})
    publish(desk.web, "pinned-abc", {"meson.build": ""})
    desk.package("app-misc/tool-1.0", f"{desk.url}/${{P}}.tar.xz")
    desk.package("app-misc/pinned-1.0", f"{desk.url}/pinned-abc.tar.xz")
    desk.configuration.write_text(
        '["app-misc/tool"]\nsource = "manual"\nmanual = "1.1"\n["app-misc/pinned"]\nsource = "manual"\nmanual = "1.1"\n'
    )
    state = {path: path.read_bytes() for path in desk.overlay.location.rglob("*") if path.is_file()}
    into = ("--into", str(desk.overlay.location))
    assert "`ebuild tool-1.1.ebuild manifest` failed" in desk.bump("app-misc/tool", *into).failed().stderr
    assert "name an overlay for it with --into" in desk.bump("app-misc/tool", "--build").failed().stderr
    assert "does not change with its version" in desk.bump("app-misc/pinned", *into).failed().stderr
    assert {path: path.read_bytes() for path in desk.overlay.location.rglob("*") if path.is_file()} == state
    # Its copy is fetched, and does not build: neither network nor the overlay is there for it.
    publish(desk.web, "broken-1.0", {"meson.build": ""})
    publish(desk.web, "broken-1.1", {"meson.build": ""})
    desk.package("app-misc/broken-1.0", f"{desk.url}/${{P}}.tar.xz", broken(desk))
    broken_only = desk.configuration.with_name("other.toml")
    broken_only.write_text('["app-misc/broken"]\nsource = "manual"\nmanual = "1.1"\n')
    state = {path: path.read_bytes() for path in desk.overlay.location.rglob("*") if path.is_file()}
    said = desk.bump("app-misc/broken", *into, "--build", "--nvchecker", str(broken_only)).failed().stderr
    assert "its trial build failed: it does not build (src_compile); the log is " in " ".join(said.split())
    (log,) = (desk.root.path / "var/tmp").glob("portage-ext-bump-*/*")
    assert "it does not build" in log.read_text()
    assert {path: path.read_bytes() for path in desk.overlay.location.rglob("*") if path.is_file()} == state
    # In an overlay that lacks the package, its files come along; without nvchecker the way out is named.
    publish(desk.web, "tool-1.1", {"meson.build": ""})
    other = EbuildRepository.create(desk.root.path.parent / "other", "other", "tiny")
    conf = desk.root.path / "etc/portage/repos.conf"
    conf.write_text(conf.read_text() + f"\n[other]\nlocation = {other.location}\n")
    (desk.overlay.location / "app-misc/tool/files").mkdir()
    (desk.overlay.location / "app-misc/tool/files/fix.patch").write_text("a patch\n")
    desk.bump("app-misc/tool", "--into", str(other.location)).ok()
    assert {path.name for path in (other.location / "app-misc/tool").rglob("*")} == {
        "Manifest", "files", "fix.patch", "tool-1.1.ebuild"
    }  # fmt: skip
    missing = desk.root.run("portage-ext", "ebuild", "bump", "app-misc/tool").failed().stderr
    assert "Install dev-util/nvchecker" in missing

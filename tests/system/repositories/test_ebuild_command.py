"""``portage-ext ebuild pypi``: what it prints, what it puts into an overlay, and that Portage and pkgcheck take it.

pypi.eclass is not asked for: the index is the test's own, so the archive has an address of its own. distutils-r1.eclass
is a stand-in (tests/system/packaging/gentoo.py says why).
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.packaging import gentoo
from tests.system.packaging.test_ebuild import PKGCHECK
from tests.testkit import environments, httpd
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.pypi import PythonIndex
from tests.testkit.roots import Root

FIELDS = (
    "Requires-Python: >=3.11",
    "License-Expression: MIT",
    "Summary: A project that says $(touch done) and `id` of itself",
    "Project-URL: Source, https://example.org/some/project",
    "Provides-Extra: colour",
)


@pytest.fixture
def places(work: Path) -> tuple[EbuildRepository, EbuildRepository]:
    main = gentoo.repository(work / "gentoo")
    main.write("licenses/MIT", "as is\n")
    overlay = EbuildRepository.create(work / "overlay", "local", "gentoo")
    overlay.write("profiles/categories", "dev-python\n")
    return main, overlay


@pytest.fixture
def root(work: Path, places: tuple[EbuildRepository, EbuildRepository]) -> Root:
    return Root.create(work / "r", environments.environment(), places, ACCEPT_KEYWORDS="~amd64")


@pytest.fixture
def url(work: Path) -> Iterator[str]:
    index = PythonIndex(work / "index")
    requires = ("packaging>=20", 'requests; python_version < "3.13"', 'rich; extra == "colour"')
    index.release("Some.Project", "2.0rc1", fields=FIELDS, requires=requires)
    index.release("Some.Project", "1.0", fields=FIELDS, requires=requires)
    index.release("native", "1", fields=("License: mine",), wheel="cp312-cp312-linux_x86_64")
    with httpd.serve(index.location) as server:
        yield f"{server.url}/simple/"


def test_it_is_printed_and_put_into_an_overlay(
    root: Root, url: str, work: Path, places: tuple[EbuildRepository, EbuildRepository]
) -> None:
    text = root.run("portage-ext", "ebuild", "pypi", "some_project[colour]", "--index", url).ok().stdout
    assert "DESCRIPTION=\"A project that says (touch done) and 'id' of itself\"" in text
    assert "' 3.11 3.12)" in text
    put = ("portage-ext", "ebuild", "pypi", "some_project[colour]==1.0", "--index", url, "--into", str(places[1].location))
    root.run(*put).ok()
    assert "it is there already" in root.run(*put).failed().stderr
    package = places[1].location / "dev-python/some-project"
    ebuild = package / "some-project-1.0.ebuild"
    assert ebuild.read_text() == text
    manifest = (package / "Manifest").read_text()
    root.run("ebuild", str(ebuild), "manifest", "--force").ok()
    assert (package / "Manifest").read_text() == manifest
    plan = root.emerge("-p", "dev-python/some-project", USE="colour").ok().plan()
    assert list(plan) == [
        "dev-python/packaging-25",
        "dev-python/requests-2.32",
        "dev-python/rich-14",
        "dev-python/some-project-1.0",
    ]
    assert not list(work.rglob("done"))
    native = root.run("portage-ext", "ebuild", "pypi", "native", "--index", url).ok().stdout
    assert "DISTUTILS_EXT=1" in native
    assert 'LICENSE=""' in native
    assert "# - it compiles native code" in native
    missing = root.run("portage-ext", "ebuild", "pypi", "nothing", "--index", url).failed().stderr
    assert "has no project of this name" in missing


def test_a_newer_release_becomes_a_copy_of_the_ebuild(
    root: Root, url: str, places: tuple[EbuildRepository, EbuildRepository], work: Path
) -> None:
    index = PythonIndex(work / "index")
    for version, needs in (("0.9", "packaging>=19"), ("1.0", "packaging>=20"), ("1.1", "rich")):
        index.release("bumped", version, requires=(needs,))
    overlay = places[1]
    overlay.write("eclass/pypi.eclass", "# @ECLASS: pypi.eclass\n")
    old = 'EAPI=8\ninherit distutils-r1 pypi\nDESCRIPTION="x"\nLICENSE="MIT"\nSLOT="0"\nKEYWORDS="amd64 ~x86"\n'
    overlay.write("dev-python/bumped/bumped-0.9-r1.ebuild", old)
    overlay.write("dev-python/bumped/bumped-1.0.ebuild", old)
    overlay.write(
        "dev-python/bumped/metadata.xml",
        '<pkgmetadata><upstream><remote-id type="pypi">Bumped</remote-id></upstream></pkgmetadata>',
    )
    command = ("portage-ext", "ebuild", "bump", "dev-python/bumped", "--index", url, "--into", str(overlay.location))
    said = root.run(*command).ok().stdout
    assert "dev-python/bumped 1.0: there is 1.1" in said
    assert "-needs >=dev-python/packaging-20" in said
    assert "+needs dev-python/rich" in said
    package = overlay.location / "dev-python/bumped"
    assert (package / "bumped-1.1.ebuild").read_text() == old.replace('"amd64 ~x86"', '"~amd64 ~x86"')
    assert (package / "Manifest").read_text().startswith("DIST bumped-1.1.tar.gz ")
    assert "has the newest release" in root.run(*command).ok().stdout
    assert "no repository here has an ebuild" in root.run(*command[:3], "../etc", *command[4:]).failed().stderr


def test_pkgcheck_has_nothing_to_say(
    root: Root, url: str, work: Path, places: tuple[EbuildRepository, EbuildRepository]
) -> None:
    main, overlay = places
    root.run("portage-ext", "ebuild", "pypi", "some-project[colour]", "--index", url, "--into", str(overlay.location)).ok()
    # pkgcore takes the etc/portage that lies above the prefix of its Python.
    (work / "venv").symlink_to(environments.programs("pkgcheck", PKGCHECK))
    configuration = work / "etc/portage"
    configuration.mkdir(parents=True)
    (configuration / "make.conf").touch()
    (configuration / "make.profile").symlink_to(main.location / "profiles/default/linux/amd64")
    repositories = "".join(f"[{one.name}]\nlocation = {one.location}\n" for one in (main, overlay))
    (configuration / "repos.conf").write_text(f"[DEFAULT]\nmain-repo = gentoo\n{repositories}")
    command = [str(work / "venv/bin/python"), "-m", "pkgcheck", "scan", "--exit", "-r", str(overlay.location)]
    environment = {"HOME": str(work), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0), done.stdout + done.stderr

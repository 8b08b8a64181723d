"""``sync-type = pypi`` with real emerge: a list becomes a repository, a new name waits, and what changed on the index is
refused.

The index is the test's own, on loopback. distutils-r1.eclass is a stand-in (tests/system/packaging/gentoo.py says why), which
builds and installs with pip, so that what is merged can be imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.packaging import gentoo
from tests.testkit import environments, httpd
from tests.testkit.pypi import PythonIndex
from tests.testkit.roots import Root

NAME = "made"


@pytest.fixture
def index(work: Path) -> PythonIndex:
    made = PythonIndex(work / "index")
    made.release("Top.Level", "1.0", requires=("lib>=1.0", "packaging>=20", 'absent; python_version < "3.0"'))
    made.release("lib", "1.2")
    return made


@pytest.fixture
def root(work: Path, index: PythonIndex) -> Iterator[Root]:
    main = gentoo.repository(work / "gentoo")
    made = Root.create(work / "r", environments.environment(), [main], ACCEPT_KEYWORDS="~amd64")
    with httpd.serve(index.location) as server:
        conf = made.path / "etc/portage/repos.conf"
        conf.write_text(
            conf.read_text()
            + f"\n[{NAME}]\nlocation = {work / NAME}\nsync-type = pypi\nsync-uri = {server.url}/simple/\nauto-sync = yes\n"
        )
        directory = made.path / "etc/overlayman/pypi"
        directory.mkdir(parents=True)
        (directory / "packages").write_text("# what we want\ntop-level\n")
        yield made


def _sync(root: Root) -> str:
    return root.run("emaint", "sync", "-r", NAME).ok().text


def merged(root: Root, package: str) -> set[str]:
    """Have emerge build and merge a package: the modules that are installed then."""
    libraries = str(next(environments.programs("builder", ["setuptools>=64", "wheel"]).glob("lib/python3*/site-packages")))
    root.emerge("-1", package, PYTHONPATH=libraries).ok()
    return {path.name for path in (root.path / "usr/lib").glob("python3*/site-packages/*.py")}


@pytest.mark.slow
def test_a_package_is_merged_with_what_it_needs(root: Root) -> None:
    _sync(root)
    root.run("portage-ext", "pypi", "confirm", "lib").ok()
    _sync(root)
    assert merged(root, "dev-python/top-level") == {"lib.py", "top_level.py"}


def test_a_list_becomes_packages_that_emerge_builds(root: Root, index: PythonIndex, work: Path) -> None:
    said = _sync(root)
    assert "lib: held: it is a new dependency of top-level" in said
    assert not list((work / NAME).rglob("*.ebuild"))
    root.run("portage-ext", "pypi", "confirm", "nothing").failed()
    assert "confirmed lib" in root.run("portage-ext", "pypi", "confirm", "lib").ok().text
    assert "2 packages" in _sync(root)
    assert root.emerge("-p", "dev-python/top-level").ok().plan() == {
        "dev-python/packaging-25": "ebuild",
        "dev-python/lib-1.2": "ebuild",
        "dev-python/top-level-1.0": "ebuild",
    }
    assert merged(root, "dev-python/lib") == {"lib.py"}
    why = root.run("portage-ext", "pypi", "why", "lib").ok().text
    assert "needed by dev-python/top-level" in why
    item = json.loads(root.run("portage-ext", "pypi", "why", "lib", "--json").ok().stdout)["item"]
    assert item["version"] == "1.2"
    assert item["chain"] == ["dev-python/lib", "dev-python/top-level"]
    root.run("portage-ext", "pypi", "why", "absent", "--json").failed()
    listed = json.loads(root.run("portage-ext", "pypi", "list", "--json").ok().stdout)
    assert {one["name"]: one["listed"] for one in listed["items"]} == {"dev-python/lib": False, "dev-python/top-level": True}
    assert listed["remarks"] == []

    before = {path: path.stat().st_ino for path in (work / NAME).rglob("*")}
    _sync(root)
    assert {path: path.stat().st_ino for path in (work / NAME).rglob("*")} == before

    index.release("lib", "1.2", more={"other.py": b"import os\n"})
    index.release("Top.Level", "1.1", requires=("lib>=1.0", "helper"))
    index.release("helper", "3", yanked="broken")
    said = _sync(root)
    assert "lib: kept: it stays at 1.2: the index offers other bytes" in said
    why = "it needs helper, which is not here: the project has yanked this version (broken)"
    assert f"top-level: kept: it stays at 1.0: {why}" in said
    assert {path.name for path in (work / NAME).rglob("*.ebuild")} == {"lib-1.2.ebuild", "top-level-1.0.ebuild"}


def test_an_index_that_is_gone_leaves_the_repository(root: Root, index: PythonIndex, work: Path) -> None:
    (root.path / "etc/overlayman/pypi/packages").write_text("lib\n")
    _sync(root)
    before = {path.relative_to(work): path.read_bytes() for path in (work / NAME).rglob("*") if path.is_file()}
    conf = root.path / "etc/portage/repos.conf"
    conf.write_text(conf.read_text().replace("http://127.0.0.1:", "http://127.0.0.1:1/"))
    root.run("emaint", "sync", "-r", NAME).failed()
    assert {path.relative_to(work): path.read_bytes() for path in (work / NAME).rglob("*") if path.is_file()} == before

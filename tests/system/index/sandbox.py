"""One root with the plugin and this checkout's reindex in it, and what tests do there: index with Portage, with us, compare."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.testkit import environments
from tests.testkit.ebuilds import EbuildRepository
from tests.testkit.outcome import Outcome
from tests.testkit.roots import Root

INSIDE = Path(__file__).with_name("inside.py")
OWN = ("Packages", "Packages.gz", "Packages.zst", ".portage-ext.sqlite")


def make_root(path: Path, *, version: str = environments.NEWEST, features: str = "", **settings: str) -> Root:
    repository = EbuildRepository.create(path / "repo")
    environment = environments.environment(version)
    # Portage 3.0.83 decompresses an uncompressed package with the method of BINPKG_COMPRESS, and stops at its own mistake.
    settings = {"BINPKG_COMPRESS": "none", **settings}
    return Root.create(path / "root", environment, [repository], features=f"binpkg-multi-instance {features}", **settings)


def build(root: Root, specification: list[dict[str, Any]]) -> None:
    """Let Portage make the packages; see inside.py."""
    file = root.path / "specification.json"
    file.write_text(json.dumps(specification))
    root.run("python3", str(INSIDE), "build", str(root.pkgdir), str(file)).ok()


def reindex(root: Root, *arguments: str, **variables: str) -> Outcome:
    return root.run("portage-ext", "reindex", *arguments, **variables)


def report(root: Root, *arguments: str, **variables: str) -> dict[str, Any]:
    """What reindex prints as JSON; any exit status but a failure."""
    done = reindex(root, "--json", *arguments, **variables)
    assert done.status in (0, 1, 3), str(done)
    result: dict[str, Any] = json.loads(done.stdout)
    return result | {"status": done.status}


def clear(root: Root) -> None:
    """Forget every index and the state."""
    for name in OWN:
        (root.pkgdir / name).unlink(missing_ok=True)


def portage_index(root: Root, **variables: str) -> dict[str, Any]:
    """What ``emaint binhost --fix`` writes from nothing, read by Portage; it is left in PKGDIR."""
    clear(root)
    done = root.run("emaint", "binhost", "--fix", **variables)
    assert (root.pkgdir / "Packages").exists(), str(done)
    return read(root)


def read(root: Root) -> dict[str, Any]:
    """The index in PKGDIR as Portage's own reader sees it, without the TIMESTAMP."""
    index: dict[str, Any] = json.loads(root.run("python3", str(INSIDE), "read", str(root.pkgdir)).ok().stdout)[0]
    index["header"].pop("TIMESTAMP", None)
    return index


def compare(root: Root, **variables: str) -> dict[str, Any]:
    """Index with Portage and with us, from nothing each; both readings must be equal. Returns our report."""
    theirs = portage_index(root, **variables)
    clear(root)
    ours = report(root, **variables)
    mine = read(root)
    keys = mine["header"].keys() | theirs["header"].keys()
    other = {key: (mine["header"].get(key), theirs["header"].get(key)) for key in keys}
    other = {key: both for key, both in other.items() if both[0] != both[1]}
    assert not other, f"ours, Portage's: {other}"
    assert [entry["PATH"] for entry in mine["packages"]] == [entry["PATH"] for entry in theirs["packages"]]
    for ours_, portages in zip(mine["packages"], theirs["packages"], strict=True):
        keys = ours_.keys() | portages.keys()
        differ = {key: (ours_.get(key), portages.get(key)) for key in keys if ours_.get(key) != portages.get(key)}
        assert not differ, f"{ours_['PATH']}: ours, Portage's: {differ}"
    return ours


def copy_binhost(root: Root, source: Path) -> None:
    """Fill PKGDIR with the packages of another one."""
    shutil.copytree(source, root.pkgdir, dirs_exist_ok=True, ignore=shutil.ignore_patterns("Packages*"))

"""A contract is recorded when a package is built, and is found in the gpkg, the vdb and the index, by people too."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from portage_ext.gpkg.contract import computed_contract, stored_contract
from portage_ext.model.contract import KEY, SymbolContract
from tests.system.toolchain.portages import OLDEST
from tests.testkit import chain as kit
from tests.testkit import environments
from tests.testkit.chain import Chain, ChainRepository
from tests.testkit.roots import Root

FOO = "2 < x86_64 libfoo.so.1:FOO_1"


@pytest.fixture(params=OLDEST)
def builder(request: pytest.FixtureRequest, work: Path) -> Root:
    """A host that builds packages with the hooks."""
    repository = kit.repository(work / "repo")
    root = Root.create(work / "b", environments.environment(request.param), [repository], layout="root", features="buildpkg")
    kit.hooks(root)
    return root


def test_recorded_at_build_time_in_gpkg_vdb_and_index_and_kept_whoever_of_portage_writes_it(builder: Root) -> None:
    """Portage's own writer drops what it does not know: a contract would be gone after the next build."""
    builder.emerge("-1", "--nodeps", "=dev-libs/foo-1").ok()
    assert (builder.path / f"var/db/pkg/dev-libs/foo-1/{KEY}").read_text() == FOO + "\n"
    (package,) = builder.pkgdir.rglob("*.gpkg.tar")
    assert str(stored_contract(package)) == FOO
    assert computed_contract(package) == stored_contract(package)
    line = f"\n{KEY}: {FOO}\n"
    index = builder.pkgdir / "Packages"
    assert line in index.read_text()
    # Nothing but package.env says that this one becomes a package.
    builder.settings["FEATURES"] = builder.settings["FEATURES"].replace("buildpkg", "")
    builder.write_settings()
    for path in {builder.path, builder.home}:
        (path / "etc/portage/env/packed").write_text('FEATURES="buildpkg"\n')
        (path / "etc/portage/package.env").write_text("dev-libs/baz packed\n")
    builder.emerge("-1", "--nodeps", "=dev-libs/baz-1").ok()
    assert index.read_text().count(f"\n{KEY}: ") == 2
    assert line in index.read_text()
    for package in builder.pkgdir.rglob("foo-1*.gpkg.tar"):
        package.unlink()
    builder.run("quickpkg", "dev-libs/foo").ok()
    assert index.read_text().count(f"\n{KEY}: ") == 2
    assert line in index.read_text()
    (package,) = builder.pkgdir.rglob("baz-1*.gpkg.tar")
    os.utime(package, (1, 1))
    builder.run("emaint", "binhost", "--fix").ok()
    assert index.read_text().count(f"\n{KEY}: ") == 2
    assert "\nMTIME: 1\n" in index.read_text()
    builder.run("portage-ext", "reindex", "--pkgdir", str(builder.pkgdir)).ok()
    assert line in index.read_text()


def test_package_whose_index_entry_has_no_contract_is_asked_itself(system: Callable[..., Root], chain: Chain) -> None:
    """As in what another host without portage-ext has written into a PKGDIR."""
    root = system()
    shutil.copytree(chain.bare, root.pkgdir, dirs_exist_ok=True)
    assert KEY not in (root.pkgdir / "Packages").read_text()
    assert "needs libstdc++.so.6 (GLIBCXX_3.4.32)" in root.emerge("-p1k", "app-misc/cxxtool").failed().stderr


def test_own_hooks_in_bashrc_stay_an_exclusion_counts_and_a_package_without_objects_gets_no_file(work: Path) -> None:
    repository = kit.repository(work / "repo")
    assert isinstance(repository, ChainRepository)
    repository.library(
        "dev-libs/picky-1", "libpicky.so.1", ["P_1"], uses=[("libfoo.so.1", "FOO_1")], REQUIRES_EXCLUDE="libfoo.so.*"
    )
    repository.data("app-misc/text-1")
    root = Root.create(work / "b", environments.environment(), [repository], layout="root")
    kit.hooks(root)
    loader = (root.path / "etc/portage/bashrc").read_text()
    own = 'post_src_install() { echo mine > "${D}"/mine-${PN} || die; }\npre_pkg_preinst() { einfo "mine, too"; }\n'
    for path in (root.path, root.home):
        (path / "etc/portage/bashrc").write_text(own + loader)
    run = root.emerge("-1", "--nodeps", "=dev-libs/foo-1", "dev-libs/picky", "app-misc/text").ok()
    assert (root.path / "mine-foo").read_text() == "mine\n"
    assert "mine, too" in run.text
    assert (root.path / f"var/db/pkg/dev-libs/foo-1/{KEY}").is_file()
    contract = SymbolContract.parse((root.path / f"var/db/pkg/dev-libs/picky-1/{KEY}").read_text())
    assert [need.soname for need in contract.needs] == ["libc.so.6"]
    assert not (root.path / f"var/db/pkg/app-misc/text-1/{KEY}").exists()


def test_recorder_that_fails_leaves_the_build_alone(work: Path) -> None:
    repository = kit.repository(work / "repo")
    root = Root.create(work / "b", environments.environment(plugin=False), [repository], layout="root")
    kit.hooks(root)
    run = root.emerge("-1", "--nodeps", "=dev-libs/foo-1").ok()
    assert "the symbol contract of dev-libs/foo-1 was not recorded; the package is not affected" in run.text
    assert "dev-libs/foo-1" in root.installed()


@pytest.mark.parametrize(
    ("form", "method"), [*(pytest.param("gpkg", one, marks=pytest.mark.slow) for one in ("zstd", "lz4")), ("xpak", "lzip")]
)
def test_reindex_works_out_what_was_not_recorded_and_keeps_it(work: Path, form: str, method: str) -> None:
    repository = kit.repository(work / "repo")
    packing = {"BINPKG_FORMAT": form, "BINPKG_COMPRESS": method, "features": "buildpkg"}
    root = Root.create(work / "b", environments.environment(plugin=False), [repository], layout="root", **packing)
    # Portage calls tar by its name on BSD when it makes an xpak.
    (work / "gtar").symlink_to(shutil.which("tar") or "/bin/tar")
    root.emerge("-1", "--nodeps", "=dev-libs/foo-1", PATH=f"{root.variables()['PATH']}:{work}").ok()
    (package,) = (path for path in root.pkgdir.rglob("foo-1*") if path.is_file())
    assert stored_contract(package) is None
    reindexer = str(environments.environment().bin / "portage-ext")
    root.run(reindexer, "reindex", "--pkgdir", str(root.pkgdir)).ok()
    assert f"\n{KEY}: {FOO}\n" in (root.pkgdir / "Packages").read_text()
    again = root.run(reindexer, "reindex", "--pkgdir", str(root.pkgdir), "--json").ok()
    assert json.loads(again.stdout)["opened"] == 0


def test_command_shows_installed_packages_files_and_images(system: Callable[..., Root], chain: Chain, work: Path) -> None:
    root = system()
    shown = root.run("portage-ext", "contract", "app-misc/usesfoo").ok().stdout
    assert shown.startswith("app-misc/usesfoo-1 (recorded)\n")
    assert "  needs   libfoo.so.1 [x86_64] FOO_2\n" in shown
    line = root.run("portage-ext", "contract", "--line", "app-misc/usesfoo").ok().stdout.strip()
    assert line == root.run("portage-ext", "contract", "--line", "--compute", "app-misc/usesfoo").ok().stdout.strip()
    package = next(chain.pkgdir.glob("app-misc/cxxtool/*.gpkg.tar"))
    told = root.run("portage-ext", "contract", "--check", str(package))
    assert told.status == 1
    assert "not met here: libstdc++.so.6 (GLIBCXX_3.4.32) [x86_64]" in told.stdout
    asked = json.loads(root.run("portage-ext", "contract", "--json", str(package)).ok().stdout)
    assert [one["soname"] for one in asked["unmet"]] == ["libstdc++.so.6"]
    (work / "image/usr").mkdir(parents=True)
    shutil.copytree(root.path / "usr/lib64", work / "image/usr/lib64")
    assert "defines libfoo.so.1 [x86_64] FOO_1 FOO_2" in root.run("portage-ext", "contract", str(work / "image")).ok().stdout
    assert "no installed package matches app-misc/none" in root.run("portage-ext", "contract", "app-misc/none").failed().stderr
    root.run("portage-ext", "contract", "!!").failed()

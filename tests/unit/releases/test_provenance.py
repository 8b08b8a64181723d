"""A release states what each package was built from: the same bytes for the same packages, and new ones are read."""

from __future__ import annotations

from pathlib import Path

from portage_ext.model.provenance import statement
from portage_ext.releases import contents, provenance
from portage_ext.releases.contents import Contents
from tests.unit.model.test_provenance import RECORD
from tests.unit.releases.published import Pkgdir

CPV = "app-misc/hello-1.0"


def indexed(pkgdir: Pkgdir) -> Contents:
    pkgdir.write()
    return contents.parse((pkgdir.path / "Packages").read_bytes(), "Packages")


def test_each_package_has_a_statement_with_its_digests_and_its_record(tmp_path: Path) -> None:
    pkgdir = Pkgdir(tmp_path)
    made = pkgdir.add(CPV, PROVENANCE=RECORD.emit(), BUILD_HOST="build")
    bare = pkgdir.add("app-misc/bare-1", BUILD_HOST="no\x1bhost")
    other = pkgdir.add("app-misc/other-1", PROVENANCE=RECORD.emit())
    broken = pkgdir.add("app-misc/broken-1", PROVENANCE="{")
    said: list[str] = []
    new = indexed(pkgdir)
    data = provenance.document(new, tmp_path.joinpath, b"", said.append)
    found = {one.path: one for one in (statement(line, "x") for line in data.splitlines())}
    assert set(found) == {made, bare, other, broken}
    assert (found[made].record, found[made].builder) == (RECORD, "build")
    assert found[bare].builder == "", "foreign text is not repeated"
    assert found[made].digest["blake2b"] == new.entry(made).get("BLAKE2B")
    assert [found[path].record for path in (bare, other, broken)] == [None] * 3
    assert any("its provenance cannot be read" in line and broken in line for line in said)
    assert any(line.endswith(f"its record is of {CPV}, so it was left out") and other in line for line in said)
    assert len(said) == 2


def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    pkgdir = Pkgdir(tmp_path)
    path = pkgdir.add(CPV, PROVENANCE=RECORD.emit())
    new = indexed(pkgdir)
    first = provenance.document(new, tmp_path.joinpath, b"", print)
    (tmp_path / path).unlink()
    assert provenance.document(new, tmp_path.joinpath, first, print) == first
    # Other bytes under the same name are another package.
    pkgdir.add(CPV, image=b"other")
    second = provenance.document(indexed(pkgdir), tmp_path.joinpath, first, print)
    stated = statement(second.rstrip(), "x")
    assert (stated.record, stated.path) == (None, path)
    assert stated.digest != statement(first.rstrip(), "x").digest

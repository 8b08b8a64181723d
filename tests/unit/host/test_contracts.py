"""What the vdb records of a package is taken whole or not at all."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from portage_ext.elf.system import System
from portage_ext.host.contracts import installed_objects, of_binary, recorded
from portage_ext.limits import CONTRACT_SIZE
from tests.testkit import binpkgs


class Database:
    """As much of a vardbapi as is asked."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def getpath(self, cpv: str, filename: str) -> str:
        return str(self._path / filename)


def test_a_contract_that_is_too_long_is_not_read_in_part(work: Path) -> None:
    (work / "SYMBOL_CONTRACT").write_text("2 > x86_64" + " liba.so.1" * (CONTRACT_SIZE // 10))
    assert recorded(Database(work), "a/b-1", "") is None


def test_a_contract_of_a_later_format_in_a_local_package_is_no_error(work: Path) -> None:
    path = binpkgs.put(work, "foo-1.gpkg.tar", binpkgs.gpkg({**binpkgs.metadata(), "SYMBOL_CONTRACT": b"9 later"}))
    tree = SimpleNamespace(
        dbapi=SimpleNamespace(_instance_key=lambda cpv: cpv, cpvdict={}),
        _remotepkgs={},
        isremote=lambda cpv: False,
        getname=lambda cpv: str(path),
    )
    package = SimpleNamespace(cpv="app-misc/foo-1", _metadata={"REQUIRES": "x86_64: libc.so.6"})
    assert of_binary(tree, package, "") is None


def test_damaged_lines_of_a_package_do_not_hide_its_other_objects(work: Path) -> None:
    lines = (
        "X86_64;/usr/bin/a\0b;;/opt/a\0:/opt/b;libc.so.6;x86_64",
        "X86_64;/usr/bin",
        "\0\0\0",
        ";;;;",
        "X86_64;/usr/bin/c;;;;",
    )
    (work / "NEEDED.ELF.2").write_text("\n".join(lines))
    found = list(installed_objects(Database(work), "a/b-1"))
    assert [one.path for one in found] == ["", "/usr/bin/c"]
    System(work, without=[one.path for one in found])  # knows these paths

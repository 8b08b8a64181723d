"""An honest index, of Portage's or ours, is never called changed: packages against what it says of them, by real Portage."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from portage_ext.gpkg.container import read_container, read_metadata
from portage_ext.gpkg.identity import IDENTITY_KEYS, as_text, identity_of
from portage_ext.gpkg.source import Source
from portage_ext.index.text import parse_index
from portage_ext.model.contract import KEY
from portage_ext.trust.known_index import find_entry
from portage_ext.trust.metadata import COMPARED, check_contract, check_identity, check_metadata
from tests.system.index import sandbox
from tests.testkit import portages
from tests.testkit.binhost import Binhost

NESTED = (
    "dev-libs/a dev-libs/b",
    "|| ( dev-libs/a dev-libs/b )",
    "|| ( dev-libs/a || ( dev-libs/b ( dev-libs/c dev-libs/d ) ) )",
    "|| ( ( dev-libs/a dev-libs/b ) ( dev-libs/c ( dev-libs/d ) ) )",
    "|| ( x? ( dev-libs/a ) dev-libs/b )",
    "|| ( x? ( dev-libs/a ) !y? ( dev-libs/b ) )",
    "|| ( x? ( dev-libs/a ) !y? ( dev-libs/b ) ) dev-libs/c",
    "|| ( !c? ( || ( virtual/libc ) dev-libs/q ) )",
    "|| ( !c? ( || ( virtual/libc ( dev-libs/r dev-libs/s ) ) ) dev-libs/q )",
    "y? ( || ( dev-libs/a ) ( ( dev-libs/b ) ) ) x? ( dev-libs/c )",
    "( ( ( dev-libs/a ) || ( ( dev-libs/b ) ) ) )",
    "dev-libs/a[x?,y=,!z?,-q] >=dev-libs/b-1:0/2=[!y(+)=] !!dev-libs/c:*",
    "dev-libs/a[y(+)?] || ( dev-libs/b[x?] dev-libs/b:0::tiny[y?] )",
)


@pytest.mark.parametrize("version", portages.oldest("COMPAT_PORTAGES"))
def test_nested_groups_indexed_by_portage_or_by_us_are_never_called_changed(work: Path, version: str) -> None:
    """As in the ebuild inside the package; evaluated, once or twice, in the index."""
    root = sandbox.make_root(work, version=version)
    common = {"CATEGORY": "app-misc", "SLOT": "0", "BUILD_ID": "1", "USE": "y", "KEYWORDS": "amd64", "CHOST": "riscv64"}
    specification = []
    for number, text in enumerate(NESTED):
        words = text.replace("dev-libs/", "").replace("virtual/libc", "e") if "[" not in text else "a y? ( b ) || ( c d )"
        values = common | {"PF": f"any-{number}", "RDEPEND": text, "BDEPEND": text, "LICENSE": words, "RESTRICT": words}
        # With a value for every key Portage evaluates an entry twice.
        full = {"DEPEND": text, "IDEPEND": text, "PDEPEND": text, "PROPERTIES": "live", "IUSE": "x y", "EAPI": "8"}
        full |= {"DEFINED_PHASES": "install", "PROVIDES": "p", "REQUIRES": "r", "BUILD_TIME": "5", "repository": "tiny"}
        for kind, metadata in (("few", values), ("full", values | full | {"USER_PATCHES": "patch"})):
            path = f"app-misc/any/any-{number}-{1 if kind == 'few' else 2}.gpkg.tar"
            specification.append({"path": path, "compression": "none", "metadata": metadata})
    sandbox.build(root, specification)
    sandbox.portage_index(root)
    assert everything_agrees(root.pkgdir) == len(specification)
    sandbox.clear(root)
    sandbox.reindex(root).ok()
    assert everything_agrees(root.pkgdir) == len(specification)


def test_what_portage_itself_indexed_is_never_called_changed(binhost: Binhost) -> None:
    """Every package of a real binhost against Portage's own index of it: no false alarm."""
    assert everything_agrees(binhost.pkgdir) > 0


def everything_agrees(pkgdir: Path) -> int:
    """Hold each package of ``pkgdir`` to its index; how many there are."""
    index = (pkgdir / "Packages").read_bytes()
    header, entries = parse_index(io.BytesIO(index))
    checked = 0
    for offered in entries:
        entry = find_entry(index, offered.path)
        assert entry is not None
        with (pkgdir / entry.path).open("rb") as file:
            source = Source(file.fileno(), entry.path)
            values = as_text(entry.path, read_metadata(source, read_container(source), IDENTITY_KEYS | COMPARED))
        check_identity(entry.path, entry, identity_of(entry.path, values))
        check_metadata(entry.path, entry, values)
        check_contract(entry.path, entry, values.get(KEY) or entry.get(KEY))
        checked += 1
    assert checked == int(header["PACKAGES"])
    return checked

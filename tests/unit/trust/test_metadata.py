"""What the index says of a package is compared with what the package says of itself."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from portage_ext.errors.trust import ChangedMetadataError, WrongPackageError
from portage_ext.gpkg.container import read_container, read_metadata
from portage_ext.gpkg.identity import IDENTITY_KEYS, Identity, as_text, identity_of
from portage_ext.gpkg.source import Source
from portage_ext.index import keys
from portage_ext.index.text import parse_index
from portage_ext.model import STRONG, WEAK, Cpv, IndexEntry
from portage_ext.model.contract import KEY
from portage_ext.trust.known_index import find_entry
from portage_ext.trust.metadata import COMPARED, check_contract, check_identity, check_metadata
from tests.system.index import sandbox
from tests.testkit.binhost import Binhost
from tests.testkit.environments import SUPPORTED

FOUND = Identity(Cpv.parse("app-misc/foo-1.0"), "0/2", 3, 1700000000, "tiny")
ENTRY = {"CPV": "app-misc/foo-1.0", "SLOT": "0/2", "BUILD_ID": "3", "REPO": "tiny"}


def test_the_same_package() -> None:
    check_identity("x", IndexEntry(ENTRY), FOUND)


@pytest.mark.parametrize(
    "change",
    [
        {"CPV": "app-misc/foo-1.1"},
        {"SLOT": "0/3"},
        {"BUILD_ID": "4"},
        {"BUILD_ID": ""},
        {"REPO": "gentoo"},
        {"CPV": "nonsense"},
    ],
)
def test_another_package(change: dict[str, str]) -> None:
    with pytest.raises(WrongPackageError):
        check_identity("x", IndexEntry(ENTRY | change), FOUND)


def test_use_conditionals_are_evaluated_on_both_sides() -> None:
    check_metadata(
        "x",
        IndexEntry({"RDEPEND": "a/a b/b c/c || ( e/e f/f )", "USE": "foo", "EAPI": "8"}),
        {"RDEPEND": "a/a foo? ( b/b !bar? ( c/c ) ) baz? ( d/d ) || ( e/e f/f )", "USE": "foo", "EAPI": "8"},
    )


@pytest.mark.parametrize(
    ("index", "package"),
    [
        ("|| ( a/a b/b )", "a/a b/b"),
        ("a/a b/b", "|| ( a/a b/b )"),
        ("|| ( a/a b/b c/c )", "|| ( ( a/a b/b ) c/c )"),
        ("|| ( a/a b/b ) c/c", "|| ( a/a b/b c/c )"),
        ("a/a", "|| ( a/a b/b )"),
        ("b/b a/a", "a/a b/b"),
        ("a/a", "a/a ( b/b"),
        ("a/a ( b/b )", "a/a ( b/b"),
    ],
)
def test_a_changed_group(index: str, package: str) -> None:
    for key in ("RDEPEND", "LICENSE"):
        with pytest.raises(ChangedMetadataError, match=key):
            check_metadata("p", IndexEntry({key: index}), {key: package})


def test_what_portage_would_refuse_is_compared_as_it_stands() -> None:
    check_metadata("p", IndexEntry({"RESTRICT": "a -> b"}), {"RESTRICT": "a -> b"})


def test_patches_of_the_user_count_where_the_index_knows_them() -> None:
    check_metadata("p", IndexEntry({}), {"USER_PATCHES": "abc"})
    check_metadata("p", IndexEntry({"USER_PATCHES": "abc"}), {"USER_PATCHES": "abc"})
    for package in ("", "abd"):
        with pytest.raises(ChangedMetadataError, match="USER_PATCHES"):
            check_metadata("p", IndexEntry({"USER_PATCHES": "abc"}), {"USER_PATCHES": package})


def test_a_contract_counts_where_the_index_has_one() -> None:
    check_contract("p", IndexEntry({}), "1 > x86_64 libc.so.6")
    check_contract("p", IndexEntry({KEY: "1 > x86_64 libc.so.6"}), "1 > x86_64 libc.so.6")
    for package in ("", "1 > x86_64 libc.so.6:GLIBC_2.4"):
        with pytest.raises(ChangedMetadataError, match=KEY):
            check_contract("p", IndexEntry({KEY: "1 > x86_64 libc.so.6"}), package)


def test_every_key_that_portage_is_handed_is_compared_or_is_of_the_file_alone() -> None:
    of_the_file = {"MTIME", "PATH", "SIZE", *STRONG, *WEAK}
    only_shown = {"DESC"}
    named = {"CPV", "REPO", *IDENTITY_KEYS}  # CATEGORY and PF together
    assert keys.ENTRY - COMPARED - named == of_the_file | only_shown


@pytest.mark.parametrize("key", ["RDEPEND", "DEPEND", "PDEPEND", "BDEPEND", "USE", "KEYWORDS", "REQUIRES", "EAPI", "LICENSE"])
def test_a_changed_value(key: str) -> None:
    for index, package in (("", "x/y"), ("x/y", ""), ("x/y", "x/z")):
        with pytest.raises(ChangedMetadataError, match=key):
            check_metadata("p", IndexEntry({key: index}), {key: package})


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


@pytest.mark.parametrize("version", SUPPORTED)
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

"""Over packages that Portage itself made, our index says what ``emaint binhost --fix`` says, in every Portage supported."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from portage_ext import limits
from tests.system.index import sandbox
from tests.testkit import portages
from tests.testkit.binhost import Binhost
from tests.testkit.roots import Root

COMPRESSIONS = ("zstd", "gzip", "bzip2", "xz", "lzip", "lz4", "lzop", "none")
ATOMS = (
    "dev-libs/libfoo", ">=dev-libs/bar-1.2-r3", "dev-libs/baz:0/2=", "!!sys-apps/old", "=app-misc/x-1*", "dev-libs/q[a,-b]",
    "dev-libs/q[a?,!b?]", "dev-libs/q[a=,!b=]", "dev-libs/q[c(+)]", "~dev-libs/r-2", "virtual/libc", "dev-libs/s::tiny",
)  # fmt: skip
BROKEN = ("|| (", "a? b", "not/an/atom", ") (", "a? ( )", "=dev-libs/unversioned", "dev-libs/q[a")
TEXTS = ("a", "b", "c", "+d", "GPL-2", "MIT", "é", "日本", "x86_64: libc.so.6", "\t two \n lines ", "\u00a0", "\u2028")
DEPENDS = ("DEPEND", "RDEPEND", "BDEPEND", "PDEPEND", "IDEPEND")
WORDED = ("LICENSE", "PROPERTIES", "RESTRICT", "IUSE", "KEYWORDS", "PROVIDES", "REQUIRES")
OTHERS = {
    "EAPI": ("0", "7", "8", ""),
    "CHOST": ("x86_64-pc-linux-gnu", "riscv64"),
    "repository": ("x", "tiny", ""),
    "DEFINED_PHASES": ("install", ""),
    "USER_PATCHES": ("one.patch", ""),
    "DESCRIPTION": ("text",),
    "MTIME": ("1",),
}


def dependency(draw: st.DrawFn, depth: int = 0) -> str:
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.integers(0, 9))
        if kind < 6 or depth > 2:
            parts.append(draw(st.sampled_from(ATOMS)))
        elif kind < 7:
            parts.append(f"|| ( {dependency(draw, depth + 1) or 'virtual/libc'} )")
        elif kind < 9:
            inner = dependency(draw, depth + 1) or "virtual/libc"
            parts.append(f"{draw(st.sampled_from(['a?', '!a?', 'b?', '!c?']))} ( {inner} )")
        else:
            parts.append(f"( {dependency(draw, depth + 1) or 'virtual/libc'} )")
    return "  ".join(parts)


@st.composite
def package(draw: st.DrawFn) -> dict[str, Any]:
    category = draw(st.sampled_from(["app-misc", "dev-libs", "sys-libs", "virtual"]))
    pn = draw(st.sampled_from(["foo", "foo-bar", "x264", "gtk+", "libx_y", "2bwm"]))
    version = draw(st.sampled_from(["1", "1.0", "1.0-r0", "1-r1", "2.0_rc1_p2-r12", "3b", "9999", "1.10", "1.9"]))
    kind = draw(st.sampled_from(["multi", "multi", "multi", "single", "xpak", "tbz2", "all"]))
    number = draw(st.integers(1, 3))
    pf = f"{pn}-{version}"
    path = {
        "multi": f"{category}/{pn}/{pf}-{number}.gpkg.tar",
        "single": f"{category}/{pf}.gpkg.tar",
        "xpak": f"{category}/{pn}/{pf}-{number}.xpak",
        "tbz2": f"{category}/{pf}.tbz2",
        "all": f"All/{pf}.tbz2",
    }[kind]
    metadata = {"CATEGORY": f"{category}\n", "PF": f"{pf}\n", "SLOT": draw(st.sampled_from(["0", "0/2", "1.2", " 3 "]))}
    metadata["BUILD_TIME"] = str(draw(st.integers(1_600_000_000, 1_600_000_003)))
    if draw(st.booleans()):
        odd = draw(st.integers(0, 5)) == 0
        metadata["BUILD_ID"] = draw(st.sampled_from(["01", "7", "", "x"])) if odd else str(number)
    for key in draw(st.sets(st.sampled_from(DEPENDS))):
        metadata[key] = dependency(draw)
    for key in draw(st.sets(st.sampled_from(WORDED))):
        metadata[key] = " ".join(draw(st.lists(st.sampled_from(TEXTS), max_size=4)))
    for key in draw(st.sets(st.sampled_from(sorted(OTHERS)))):
        metadata[key] = draw(st.sampled_from(OTHERS[key]))
    metadata["USE"] = " ".join(draw(st.sets(st.sampled_from("abc"))))
    match draw(st.integers(0, 24)):
        case 0:
            del metadata[draw(st.sampled_from(["CATEGORY", "PF", "SLOT"]))]
        case 1:
            metadata["RDEPEND"] = draw(st.sampled_from(BROKEN))
        case 2:
            metadata["LICENSE"] = draw(st.sampled_from(["|| ( a", "a? ( b", "x ->", "( )"]))
        case 3:
            path = f"wrong/{path}"
        case 4:
            metadata["PF"] = f"{pn}-77"
    return {"path": path, "metadata": metadata, "compression": draw(st.sampled_from(COMPRESSIONS))}


@pytest.fixture(
    scope="module", params=["", pytest.param("-binpkg-multi-instance", marks=pytest.mark.slow)], ids=["multi", "single"]
)
def root(request: pytest.FixtureRequest) -> Iterator[Root]:
    place = Path(tempfile.mkdtemp(prefix="pe-"))
    place.chmod(0o755)
    yield sandbox.make_root(place, features=request.param)
    shutil.rmtree(place)


@settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
@given(st.lists(package(), min_size=3, max_size=14, unique_by=lambda one: one["path"]))
def test_any_package_directory_reads_as_portage_wrote_it(root: Root, specification: list[dict[str, Any]]) -> None:
    shutil.rmtree(root.pkgdir)
    root.pkgdir.mkdir()
    sandbox.build(root, specification)
    ours = sandbox.compare(root)
    assert ours["packages"] + len(ours["left_out"]) == len(specification) - shadowed(root, ours)


def shadowed(root: Root, ours: dict[str, Any]) -> int:
    """Files that stand for the same instance as another: Portage lists one of them."""
    listed = {entry["PATH"] for entry in sandbox.read(root)["packages"]}
    left = {one["path"] for one in ours["left_out"]}
    files = {str(file.relative_to(root.pkgdir)) for file in root.pkgdir.rglob("*") if file.suffix in (".tar", ".tbz2", ".xpak")}
    return len(files - listed - left)


@pytest.mark.parametrize("version", portages.oldest("COMPAT_PORTAGES"))
def test_every_supported_portage_agrees(work: Path, version: str, binhost: Binhost) -> None:
    root = sandbox.make_root(work, version=version, BINPKG_GPG_VERIFY_GPG_HOME=str(binhost.gnupg))
    sandbox.copy_binhost(root, binhost.pkgdir)
    specification = [
        {
            "path": f"app-misc/any/any-{number}-1.gpkg.tar",
            "compression": compression,
            "metadata": {
                "CATEGORY": "app-misc",
                "PF": f"any-{number}",
                "SLOT": "0",
                "BUILD_ID": "1",
                "EAPI": "8",
                "USE": "a",
                "RDEPEND": "a? ( dev-libs/yes ) !a? ( dev-libs/no ) || ( dev-libs/x ( dev-libs/y dev-libs/z ) )",
                # Evaluated twice this is another value, and which packages are depends on the keys that they have.
                "BDEPEND": "|| ( !c? ( || ( virtual/libc ) dev-libs/q ) )",
                "USER_PATCHES": "one.patch" if number % 2 else "",
                "repository": "tiny" if number % 3 else "",
                "CHOST": "riscv64",
                "PROVIDES": "é",
            },
        }
        for number, compression in enumerate(COMPRESSIONS)
    ]
    sandbox.build(root, specification)
    ours = sandbox.compare(root)
    assert not ours["left_out"]
    assert ours["packages"] == len(specification) + len(list(binhost.pkgdir.rglob("*.gpkg.tar")))


PURE = """
import sys
for name in ("model._lanes", "gpkg._usual", "pkgdir._tree"):
    sys.modules[f"portage_ext.{name}"] = None
from portage_ext.cli.main import main
sys.exit(main(["reindex"]))
"""
"""reindex as it is where no compiler was there when portage-ext was installed."""


def test_the_index_is_the_same_without_the_compiled_modules(work: Path, binhost: Binhost) -> None:
    root = sandbox.make_root(work, BINPKG_GPG_VERIFY_GPG_HOME=str(binhost.gnupg))
    sandbox.copy_binhost(root, binhost.pkgdir)
    assert len(list(root.pkgdir.rglob("*.gpkg.tar"))) >= limits.TOGETHER_FROM
    root.run("python3", "-c", "import portage_ext.model._lanes, portage_ext.gpkg._usual, portage_ext.pkgdir._tree").ok()
    sandbox.reindex(root).ok()
    compiled = sandbox.read(root)["packages"]
    sandbox.clear(root)
    root.run("python3", "-c", PURE).ok()
    assert sandbox.read(root)["packages"] == compiled


def test_settings_without_compress_index_leave_no_compressed_form_of_portage(work: Path) -> None:
    root = sandbox.make_root(work, features="-compress-index")
    sandbox.build(
        root,
        [
            {
                "path": "app-misc/a/a-1-1.gpkg.tar",
                "compression": "none",
                "metadata": {"CATEGORY": "app-misc", "PF": "a-1", "SLOT": "0"},
            }
        ],
    )
    sandbox.compare(root)
    assert not (root.pkgdir / "Packages.gz").exists()
    assert (root.pkgdir / "Packages.zst").exists()
    root.run("emaint", "binhost", "--check").ok()
